"""What the tests of figures share."""

import io


def drawn(figure):
    """The figure's bytes: that it renders at all."""
    written = io.BytesIO()
    figure.savefig(written, format="png")
    return written.getvalue()


def labels(axis):
    """What an axis' ticks say."""
    return [label.get_text() for label in axis.get_ticklabels()]
