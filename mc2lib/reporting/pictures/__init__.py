"""Pictures that a browser draws, with its own fonts: SVG as text."""
