"""How the preview model was made and is judged: drawn, trained, examined, published. Running it needs none of this."""
