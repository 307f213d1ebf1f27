"""What the tables say in numbers: windows of last epochs, cells ranked, compared and paired, and other formats.

Reads what `store` holds and changes none of it. No torch, no Ray.
"""
