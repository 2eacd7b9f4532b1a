"""What people look at: the HTML report, Markdown and LaTeX, sample pictures, the case browser."""
