"""Train and score: from a recipe to scores and costs."""
