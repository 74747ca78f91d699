# Makes this network namespace one in which somebody answers at addresses that clouds, engines and
# local networks use: what attempts to reach them find where nothing keeps them in.
import fcntl, os, socket, struct, threading

control = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
for number, address in enumerate(('127.0.0.1', '169.254.169.254', '172.17.0.1', '10.0.0.1')):
    name = b'lo' if number == 0 else b'lo:%d' % number
    if number:
        place = struct.pack('16sHH4s8x', name, socket.AF_INET, 0, socket.inet_aton(address))
        fcntl.ioctl(control, 0x8916, place)
    fcntl.ioctl(control, 0x8914, struct.pack('16sh22x', name, 1))


def answer(host):
    while True:
        told, asker = host.recvfrom(512)
        host.sendto(told, asker)


listeners = [socket.create_server(('::', port), family=socket.AF_INET6, dualstack_ipv6=True) for port in (22, 80, 2375)]
names = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
names.bind(('10.0.0.1', 53))
threading.Thread(target=answer, args=(names,), daemon=True).start()
