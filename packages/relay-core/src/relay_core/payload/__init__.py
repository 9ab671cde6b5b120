"""Any Python object to JSON bytes, snapshotted once, at emit.

encoder        chooses the way
  -> native      plain data: one pass of orjson, over what it may walk
  -> walk        everything else: a tree of our own, over a copy of each container
       -> projection                  what becomes of a foreign type, asked once per type
            -> fields, values, ordering     how
            -> plans                        how without a call, for relay-native
       -> repair, keys                what is plain and still not JSON
  -> truncation  what is too large: once more, with a budget
"""

from relay_core.payload.encoder import PayloadEncoder
from relay_core.payload.limits import PayloadLimits

__all__ = ["PayloadEncoder", "PayloadLimits"]
