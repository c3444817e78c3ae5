"""The built-in preview model as it is shipped; ``preview_model`` tells how it was made."""
