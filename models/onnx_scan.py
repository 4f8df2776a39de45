"""A look into an ONNX file before a runtime runs it: what it is built of, and nothing executed.

ONNX files are protocol buffers; this reads the few fields that matter (onnx.proto, IR 3 to 13)
and refuses what a scoring model never needs: operators beyond the standard domains, functions
and nested graphs (loops), and weights kept in other files.
"""

from collections.abc import Iterator

from streams.errors import ModelRefused

DOMAINS = frozenset({"", "ai.onnx", "ai.onnx.ml"})
NODES_MAX = 20_000
_VARINT_BITS_MAX = 63

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_ADVICE = "export it as one flat graph of standard operators with its weights inside"

# Field numbers of onnx.proto.
_MODEL_GRAPH, _MODEL_OPSETS, _MODEL_FUNCTIONS = 7, 8, 25
_OPSET_DOMAIN = 1
_GRAPH_NODES, _GRAPH_WEIGHTS, _GRAPH_SPARSE_WEIGHTS = 1, 5, 15
_NODE_OPERATOR, _NODE_ATTRIBUTES, _NODE_DOMAIN = 4, 5, 7
_ATTRIBUTE_TENSOR, _ATTRIBUTE_GRAPH, _ATTRIBUTE_TENSORS, _ATTRIBUTE_GRAPHS = 5, 6, 10, 11
_ATTRIBUTE_SPARSE, _ATTRIBUTE_SPARSES = 22, 23
_TENSOR_EXTERNAL, _TENSOR_LOCATION = 13, 14

Field = tuple[int, int, memoryview]


def scan(onnx: bytes) -> frozenset[str]:
    """Return the operators of a graph; raises ModelRefused for what a model must not hold."""
    operators: set[str] = set()
    has_graph = False
    for number, _, data in _fields(memoryview(onnx)):
        if number == _MODEL_GRAPH:
            has_graph = True
            operators |= _scan_graph(data)
        elif number == _MODEL_OPSETS:
            _check_domain(_text_of(data, _OPSET_DOMAIN), "imports")
        elif number == _MODEL_FUNCTIONS:
            raise ModelRefused(f"the graph defines functions of its own; {_ADVICE}")
    if not has_graph or not operators:
        raise ModelRefused("the file holds no ONNX graph; fetch the model again")
    return frozenset(operators)


def _scan_graph(graph: memoryview) -> set[str]:
    operators: set[str] = set()
    nodes = 0
    for number, _, data in _fields(graph):
        if number == _GRAPH_NODES:
            nodes += 1
            if nodes > NODES_MAX:
                raise ModelRefused(f"the graph has more than {NODES_MAX} nodes; {_ADVICE}")
            operators.add(_scan_node(data))
        elif number == _GRAPH_WEIGHTS:
            _check_tensor(data)
        elif number == _GRAPH_SPARSE_WEIGHTS:
            raise ModelRefused(f"the graph has sparse weights; {_ADVICE}")
    return operators


def _scan_node(node: memoryview) -> str:
    operator = _text_of(node, _NODE_OPERATOR)
    _check_domain(_text_of(node, _NODE_DOMAIN), f"uses {operator!r} of")
    for number, _, attribute in _fields(node):
        if number != _NODE_ATTRIBUTES:
            continue
        for kind, _, data in _fields(attribute):
            if kind in (_ATTRIBUTE_GRAPH, _ATTRIBUTE_GRAPHS):
                raise ModelRefused(f"operator {operator!r} holds a graph of its own; {_ADVICE}")
            if kind in (_ATTRIBUTE_SPARSE, _ATTRIBUTE_SPARSES):
                raise ModelRefused(f"operator {operator!r} has sparse weights; {_ADVICE}")
            if kind in (_ATTRIBUTE_TENSOR, _ATTRIBUTE_TENSORS):
                _check_tensor(data)
    return operator


def _check_tensor(tensor: memoryview) -> None:
    for number, value, _ in _fields(tensor):
        if number == _TENSOR_EXTERNAL or (number == _TENSOR_LOCATION and value):
            raise ModelRefused(f"the graph keeps weights in another file; {_ADVICE}")


def _check_domain(domain: str, what: str) -> None:
    if domain not in DOMAINS:
        raise ModelRefused(
            f"the graph {what} the operator domain {domain!r}, allowed are ai.onnx and "
            f"ai.onnx.ml; {_ADVICE}"
        )


def _text_of(message: memoryview, wanted: int) -> str:
    text = ""
    for number, _, data in _fields(message):
        if number == wanted:
            text = bytes(data).decode("utf-8", "replace")
    return text


def _fields(message: memoryview) -> Iterator[Field]:
    """Yield (field number, varint value or 0, bytes or empty) of a protocol buffer."""
    place, end = 0, len(message)
    empty = message[:0]
    while place < end:
        key, place = _varint(message, place)
        number, wire = key >> 3, key & 7
        if wire == _VARINT:
            value, place = _varint(message, place)
            yield number, value, empty
        elif wire == _BYTES:
            size, place = _varint(message, place)
            if size > end - place:
                raise _corrupt()
            yield number, 0, message[place : place + size]
            place += size
        elif wire in (_FIXED64, _FIXED32):
            place += 8 if wire == _FIXED64 else 4
            if place > end:
                raise _corrupt()
        else:
            raise _corrupt()


def _varint(message: memoryview, place: int) -> tuple[int, int]:
    value, shift = 0, 0
    while place < len(message) and shift <= _VARINT_BITS_MAX:
        byte = message[place]
        place += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, place
        shift += 7
    raise _corrupt()


def _corrupt() -> ModelRefused:
    return ModelRefused("the ONNX file is truncated or corrupt; fetch the model again")
