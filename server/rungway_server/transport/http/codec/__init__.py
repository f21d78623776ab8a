"""The JSON of the HTTP port: what people write, as the messages of the wire.

It is proto3 JSON, made from the descriptors, but for two things that proto3 JSON makes hard to write:

- `Value`, `MapValue` and `ListValue` are natural JSON: `{"lr": 0.1, "layers": [64, 64]}`. A number with a point or an
  exponent is a double, any other an integer of 64 bits, null a value without a kind. What JSON has no number for is an
  object with one key: `{"$double": "NaN"}` (also "Infinity" and "-Infinity"), and `{"$int": "9007199254740993"}` for
  an integer beyond ±(2^53 - 1), which JavaScript would round. Both are read for any number, too: `{"$double": 1}` is
  1.0 from a language that cannot write it. A map whose only key is `$double` or `$int` gets one more `$`
  (`{"$$double": …}`), one whose only key is `$$double` another one, and so on.
- Integers of 64 bits are numbers. Texts of digits are read as well.

Elsewhere doubles that are not finite are the texts "NaN", "Infinity" and "-Infinity". The bare word NaN, which some
programs write, is not JSON and is refused. Enumerations are written by name, and read by name or number. Fields have
their name in camelCase or snake_case. Unset messages and optional fields are left
out, zeros and empty lists are written; null counts as unset.

Whatever is not understood is refused with its path: unknown fields, a key given twice, wrong types, numbers out of
range, texts that UTF-8 cannot encode.
"""

from rungway_server.transport.http.codec.decoding import decode
from rungway_server.transport.http.codec.encoding import encode
from rungway_server.transport.http.codec.text import InvalidJson

__all__ = ["InvalidJson", "decode", "encode"]
