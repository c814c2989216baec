"""One format for the weights of the core: a safetensors file, and beside it the SHA-256 that it must have."""

import hashlib
import json
from pathlib import Path

import numpy as np

CORE = Path(__file__).parents[1] / "rust" / "biotl-core" / "src"


def write(verb: str, tensors: dict[str, np.ndarray], revision: str, about: dict[str, str]) -> str:
    """Write `VERB/VERB.safetensors` and `VERB/VERB.sha256` into the core and return the digest.

    `revision` names the features that the networks learnt on; the core refuses weights of another one. The header is
    written here, since the library writes `about` in another order each time, and the same weights shall have the same
    digest.
    """
    header: dict[str, object] = {"__metadata__": {"revision": revision, **about}}
    blob = b""
    for name, tensor in tensors.items():
        part = tensor.astype("<f4").tobytes()
        header[name] = {"dtype": "F32", "shape": tensor.shape, "data_offsets": [len(blob), len(blob) + len(part)]}
        blob += part
    head = json.dumps(header, separators=(",", ":")).encode()
    head += b" " * (-len(head) % 8)
    data = len(head).to_bytes(8, "little") + head + blob
    path = CORE / verb / f"{verb}.safetensors"
    digest = hashlib.sha256(data).hexdigest()
    path.write_bytes(data)
    path.with_suffix(".sha256").write_text(f"{digest}  {path.name}\n")
    return digest
