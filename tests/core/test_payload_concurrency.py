"""Payloads that other threads rewrite while they are recorded: in a process of their own, for it may die."""

import subprocess
import sys

import pytest

CHILD = '''
import dataclasses, datetime, enum, json, random, sys, threading, time, uuid
from pydantic import BaseModel
from relay_core.payload import PayloadEncoder

class Colour(enum.Enum):
    RED = "red"

class Word(str, enum.Enum):
    YES = "yes"

@dataclasses.dataclass
class Record:
    x: object

class Model(BaseModel):
    x: object = None

class Projected:
    def __init__(self, content):
        self.content = content

def resolve(kind):
    return (lambda value: {"content": value.content, "all": shared}) if kind is Projected else None

def thing(random):
    """Something new to put into a container."""
    return random.choice([
        lambda: "text" * random.randrange(50), lambda: random.random(), lambda: Colour.RED, lambda: Word.YES,
        uuid.uuid4, lambda: Record([Colour.RED]), lambda: Model(x=[1]), lambda: Projected({"k": [Colour.RED]}),
        lambda: {"a": [Colour.RED, {"b": "c"}]}, lambda: [["x"] * 5], lambda: (Colour.RED, (1,)), datetime.datetime.now,
    ])()

def mutate(seed):
    """Rewrite the shared containers, half of the time with plain data."""
    dice = random.Random(seed)
    while time.monotonic() < deadline:
        target, plain, size = dice.choice(shared), dice.random() < 0.5, dice.randrange(60)
        if type(target) is list:
            match dice.randrange(4):
                case 0:
                    target.clear()
                    target.extend(["p"] * size if plain else [thing(dice) for _ in range(size)])
                case 1:
                    target[:] = [{"a": [1, "x"]} for _ in range(size)]
                case 2:
                    del target[size // 2:]
                case 3:
                    target.append("q" if plain else thing(dice))
        elif dice.random() < 0.2:
            target.clear()
        else:
            target[f"k{size}"] = [1, {"z": "z"}] if plain else thing(dice)

def record():
    """Encode the shared containers in every position."""
    payloads = [shared, shared[0], shared[5], {"w": shared}, [Projected(shared[1])], Record(shared), (shared, 1)]
    while time.monotonic() < deadline:
        for payload in payloads:
            try:
                json.loads(encoder.encode(payload))
                done.append(1)
            except BaseException as error:
                errors.append(repr(error))

seconds, interval = float(sys.argv[1]), float(sys.argv[2])
sys.setswitchinterval(interval)
deadline = time.monotonic() + seconds
dice = random.Random(0)
shared = [[thing(dice) for _ in range(50)] for _ in range(4)] + [{f"k{n}": n for n in range(30)} for _ in range(4)]
encoder, done, errors = PayloadEncoder(resolve=resolve), [], []
threads = [threading.Thread(target=mutate, args=(seed,)) for seed in range(3)]
threads += [threading.Thread(target=record) for _ in range(3)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
print(len(done), errors[:3], encoder.failed)
'''


@pytest.mark.parametrize("interval", [0.005, 0.00001])
def test_containers_that_are_rewritten_meanwhile(interval: float) -> None:
    """Ten seconds each, with many switches between threads and with few: no crash, no exception, only documents."""
    result = subprocess.run(
        [sys.executable, "-X", "faulthandler", "-c", CHILD, "10", str(interval)],
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )

    assert (0, "") == (result.returncode, result.stderr)
    done, errors = result.stdout.split(maxsplit=1)
    assert int(done) > 100
    assert "[] 0" == errors.strip()


LIMIT = """
import sys, threading
from relay_core.payload import PayloadEncoder

resolve_calls, encoder = [], PayloadEncoder(resolve=lambda kind: resolve_calls.append(kind))
kinds = [type(f"K{n}", (), {}) for n in range(200)]
barrier, documents = threading.Barrier(8), []

def record():
    barrier.wait()
    for kind in kinds:
        documents.append(encoder.encode([kind(), {1: kind()}]))
        encoder.reset_cache() if len(documents) % 7 == 0 else None

threads = [threading.Thread(target=record) for _ in range(8)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
names = sorted({*documents})
assert len(documents) == 1600 and len(names) == 200, len(names)
print("fine")
"""


def test_one_encoder_serves_many_threads() -> None:
    """Threads that meet the same new types at the same time, while plugins come and go, get the same documents."""
    result = subprocess.run([sys.executable, "-c", LIMIT], capture_output=True, text=True, timeout=50, check=False)

    assert ("fine\n", "") == (result.stdout, result.stderr)
