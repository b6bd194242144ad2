"""Hold every packet of tun delay0 for a time, then give it back to the kernel: delay.py MILLISECONDS.

Used in place of netem, which many kernels (also this lab's) are built without. Runs in the server's namespace.
"""
import collections, fcntl, os, select, struct, sys, time

TUNSETIFF, IFF_TUN, IFF_NO_PI = 0x400454CA, 1, 0x1000
tun = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
fcntl.ioctl(tun, TUNSETIFF, struct.pack("16sH22x", b"delay0", IFF_TUN | IFF_NO_PI))
held, hold = collections.deque(maxlen=20_000), float(sys.argv[1]) / 1000
while True:
    wait = max(0.0, held[0][0] - time.monotonic()) if held else None
    if select.select([tun], [], [], wait)[0]:
        try:
            while True:
                held.append((time.monotonic() + hold, os.read(tun, 65536)))
        except BlockingIOError:
            pass
        except OSError:  # EIO: not up yet
            time.sleep(0.01)
    while held and held[0][0] <= time.monotonic():
        try:
            os.write(tun, held.popleft()[1])
        except OSError:
            pass
