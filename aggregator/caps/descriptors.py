"""The process's limit of file descriptors is the cap on its connections: libzmq has no other."""

import resource

from ..errors import DescriptorError


def reserve(needed: int) -> None:
    """Let this process have exactly `needed` descriptors. Raises: DescriptorError if the system allows fewer."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard not in (resource.RLIM_INFINITY, -1) and hard < needed:
        raise DescriptorError(f"{needed} file descriptors are needed, the system allows {hard} (ulimit -Hn)", needed)
    resource.setrlimit(resource.RLIMIT_NOFILE, (needed, hard))
