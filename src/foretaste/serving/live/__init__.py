"""What serves now: the models, the catalogue and the users as the stores have them at this moment."""
