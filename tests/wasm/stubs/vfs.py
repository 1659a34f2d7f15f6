"""`vfs` with a file system whose file number n is block n + 8."""


class VfsLfs2:
    def __init__(self, device):
        self.device = device

    def stat(self, name):
        return name

    def open(self, name, mode):
        return File(self.device, int(name[-3:], 16) + 8)


class File:
    def __init__(self, device, block):
        self.device, self.block = device, block

    def __enter__(self):
        return self

    def __exit__(self, *error):
        pass

    def seek(self, at, whence=0):
        return 4096

    def read(self, n):
        self.device.readblocks(self.block, bytearray(n))
