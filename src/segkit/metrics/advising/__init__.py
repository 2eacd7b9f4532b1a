"""Which metrics a set of pictures asks for, with the reason: `facts` measures, `rules` decides."""
