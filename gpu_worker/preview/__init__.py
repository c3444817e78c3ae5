"""The preview model: a toy text-to-video model, drawn, trained, judged and shipped by this package."""
