"""What `make lab` adds to the reader's own Jupyter configuration: notebooks/ is saved without outputs."""

from mc2lib.study.access.lab import strip_outputs

# a function, since jupyter_server 2.21 cannot read a hook's name
get_config().ContentsManager.pre_save_hook = strip_outputs  # type: ignore[name-defined]  # noqa: F821
