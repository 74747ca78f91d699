# A collector as one writes it first: names from a glob, links followed, whatever is there is read.
# Arguments: how often, until it shows the secret, and patterns. Tells what it took, as a JSON array
# a line: [name, mode, size, text].
import glob, json, os, signal, sys


def tell(name, mode=0, size=0, text=''):
    print(json.dumps([name, mode, size, text]), flush=True)


def hung(*_):
    tell('HUNG')
    os._exit(0)


def take(name):
    about = os.stat(name)
    if os.path.isdir(name):
        for below in os.listdir(name):
            take(os.path.join(name, below))
        return
    text = '' if about.st_size > 1 << 20 else open(name, 'rb').read().decode('latin1')
    if times > 1 and 'secret' not in text:
        return
    name.encode()
    tell(name, about.st_mode & 0o7777, about.st_size, text)
    if times > 1:
        sys.exit()


times = int(sys.argv[1])
signal.signal(signal.SIGALRM, hung)
signal.alarm(2 if times == 1 else 30)
for _ in range(times):
    for pattern in sys.argv[2:]:
        for name in ['.'] if pattern == '**' else glob.glob(pattern):
            try:
                take(name)
            except (UnicodeError, RecursionError):
                tell('BROKE')
            except FileNotFoundError:
                pass
            except OSError as error:
                # No such device or address: it opened a socket. Name too long: it went too deep.
                word = {6: 'SPECIAL', 36: 'BROKE'}.get(error.errno)
                if word:
                    tell(word)
