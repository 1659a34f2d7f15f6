"""`select` that waits for nothing."""

POLLIN = 1


class poll:
    def register(self, obj, mask=1):
        pass

    def poll(self, timeout_ms=-1):
        return ()

    def ipoll(self, timeout_ms=-1):
        return ()
