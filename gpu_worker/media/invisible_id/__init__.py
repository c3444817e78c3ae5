"""A number of 32 bits in the brightness of a video, which nobody sees and a copy mostly keeps.

It is a label and no proof: whoever has the site's key can write any number, and whoever tries can remove one.
"""
