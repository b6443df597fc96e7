import os
import sys

from aws_kinesis_agg.aggregator import AggRecord


def write(name, records):
    a = AggRecord()
    for key, data, hash_key in records:
        assert a.add_user_record(key, data, hash_key)
    with open(os.path.join(sys.argv[1], name), "wb") as f:
        f.write(a.get_contents()[2])


write("one.bin", [("Ann", b"hello", None)])
write("empty-data.bin", [("Ann", b"", None)])
write("hash-keys.bin", [
    ("Ann", b"a", "340282366920938463463374607431768211455"), ("Bob", b"b", "0"), ("Ann", b"c", None), ("Bob", b"d", "0"),
])
write("unicode.bin", [("\u017b\u00f3\u0142w", "\u4f60\u597d".encode(), None), ("k" * 256, bytes(range(256)), None)])
write("many.bin", [("key-%d" % (i % 300), b"%d" % i * (i % 7), str(i % 150) if i % 3 == 0 else None) for i in range(1000)])
