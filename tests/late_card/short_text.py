"""What makes renders on the processor and on the simulated card comparable to the byte."""

from __future__ import annotations

SHORT_TEXT = {"max_sequence_length": 128}
"""With more, processor and card add up in another order, and what differs in the last bit is another clip once it is
compressed; and the encoder of a tiny model takes more memory than the model."""
