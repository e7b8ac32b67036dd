"""Parameters of a task type, described once and written in each form; and values for them."""

from dataclasses import dataclass, replace
from typing import Annotated, Any, Literal, Optional

from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from pydantic import Field, create_model

from prismq_worker_sdk import TaskParams

PATTERNS = ("^[a-z]{2}$", "a", "^a.*", "[0-9]+$", "^$", r"\.$", "[$]", r"^\$|b", "^[^]$]*$", "^(a|b$)")
ALPHABET = "ab0$.\nü\U0001f600"
KINDS = ("string", "integer", "number", "boolean", "array", "object")
PYTHON = {"string": str, "integer": int, "number": float, "boolean": bool, "object": dict[str, Any]}
BOUNDS = {
    "string": ("minLength", "maxLength"),
    "array": ("minItems", "maxItems"),
    "integer": ("minimum", "maximum"),
    "number": ("minimum", "maximum"),
}
ONLY_AS_TEXT = st.text(ALPHABET, max_size=4)
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-100, 100)
    | st.sampled_from([2**53 + 1, -(2**64), 10**30, 10**400])
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.sampled_from([1.0, -0.0, 5.0, 1e20, 1e300])
    | ONLY_AS_TEXT
    | st.text(st.characters(exclude_categories=["Cs"]), max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(ONLY_AS_TEXT, inner, max_size=3),
    max_leaves=6,
)


@dataclass(frozen=True)
class Param:
    """One parameter, or what a list or an object of the same thing holds.

    Attributes:
        beyond: What the mission's form cannot say: `exclusive` bounds, `step`, `nullable`, `fields`, `values`.
    """

    kind: str
    low: float | None = None
    high: float | None = None
    pattern: str | None = None
    choices: tuple[Any, ...] | None = None
    item: "Param | None" = None
    required: bool = False
    default: tuple[Any, ...] = ()
    exclusive: bool = False
    step: int | None = None
    nullable: bool = False
    fields: tuple[tuple[str, "Param"], ...] | None = None
    values: "Param | None" = None

    @property
    def parts(self):
        return [self, *(part for one in self._inner() for part in one.parts)]

    def _inner(self):
        named = [] if self.fields is None else [param for _name, param in self.fields]
        return [one for one in (self.item, self.values, *named) if one is not None]

    @property
    def fits_the_form(self):
        said = self.exclusive, self.step, self.nullable, self.fields, self.values
        return not any(said) and (self.item is None or self.item.fits_the_form)


def bounds(kind):
    """A low and a high end, either of them open."""
    numbers = {"integer": st.integers(-50, 50), "number": st.floats(-50, 50) | st.integers(-50, 50)}
    ends = numbers.get(kind, st.integers(0, 4))
    end = st.sampled_from([True, True, False]).flatmap(lambda there: ends if there else st.none())
    return st.tuples(end, end).map(lambda pair: tuple(sorted(pair)) if None not in pair else pair)


@st.composite
def parameters(draw, kinds=KINDS, *, rich=False, depth=2):
    """A parameter; `rich` with what only JSON Schema and models can say."""
    kind = draw(st.sampled_from(kinds))
    low, high = draw(bounds(kind)) if kind in BOUNDS else (None, None)
    made = Param(kind, low, high, required=draw(st.booleans()))
    if kind == "string" and draw(st.integers(0, 2)) == 0:
        made = replace(made, low=None, high=None, pattern=draw(st.sampled_from(PATTERNS)))
    elif kind in {"string", "integer"} and draw(st.integers(0, 3)) == 0:
        one = ONLY_AS_TEXT if kind == "string" else st.integers(-2, 9)
        choices = draw(st.lists(one, min_size=1, max_size=3, unique=True))
        made = replace(made, low=None, high=None, choices=tuple(choices))
    if kind == "array":
        inner = KINDS if depth else KINDS[:4]
        made = replace(made, item=draw(parameters(inner, rich=rich, depth=depth - 1)) if depth > 0 else None)
    if rich:
        made = draw(_richer(made, depth))
    if not made.required and draw(st.booleans()):
        default = draw(valid(made))
        made = replace(made, default=(default,)) if _surely_fits(made, default) else made
    return made


@st.composite
def _richer(draw, made, depth):
    if made.kind in {"integer", "number"} and made.choices is None:
        made = replace(made, exclusive=draw(st.booleans()), step=draw(st.sampled_from([None, None, 2, 7])))
    if made.kind == "object" and depth > 0:
        if draw(st.booleans()):
            made = replace(made, values=draw(parameters(rich=True, depth=depth - 1)))
        else:
            made = replace(made, fields=draw(named(rich=True, depth=depth - 1)))
    return replace(made, nullable=draw(st.integers(0, 3)) == 0)


def named(*, rich=False, depth=2):
    """Parameters by their names."""
    names = st.sampled_from(["q", "n", "max_results", "ü"])
    return st.dictionaries(names, parameters(rich=rich, depth=depth), max_size=4).map(
        lambda one: tuple(one.items())
    )


def form_of(fields):
    """The mission's form."""
    return {name: {**_form(param), "required": param.required} for name, param in fields}


def _form(param):
    said = {"type": param.kind, "min": param.low, "max": param.high, "pattern": param.pattern}
    said["enum"] = None if param.choices is None else list(param.choices)
    said["items"] = None if param.item is None else _form(param.item)
    found = {key: value for key, value in said.items() if value is not None}
    return found | ({"default": param.default[0]} if param.default else {})


def schema_of(fields):
    """A JSON Schema."""
    return {
        "type": "object",
        "properties": {name: _schema(param) for name, param in fields},
        "required": [name for name, param in fields if param.required],
        "additionalProperties": False,
    }


def _schema(param):
    found = schema_of(param.fields) if param.fields is not None else {"type": param.kind}
    for keyword, end in zip(BOUNDS.get(param.kind, ()), (param.low, param.high), strict=False):
        if end is not None:
            found[keyword.replace("m", "exclusiveM", 1) if param.exclusive else keyword] = end
    said = {
        "pattern": param.pattern,
        "enum": None if param.choices is None else list(param.choices),
        "multipleOf": param.step,
        "items": None if param.item is None else _schema(param.item),
        "additionalProperties": None if param.values is None else _schema(param.values),
    }
    found |= {key: value for key, value in said.items() if value is not None}
    if param.nullable:
        found = {"anyOf": [found, {"type": "null"}]}
    return found | ({"default": param.default[0]} if param.default else {})


def model_of(fields):
    """A TaskParams model."""
    return create_model(
        "Made", __base__=TaskParams, **{f"x{number}": _field(*one) for number, one in enumerate(fields)}
    )


def _field(name, param):
    if param.default:
        return (_annotation(param), Field(param.default[0], alias=name))
    return (
        (_annotation(param), Field(alias=name))
        if param.required
        else (_annotation(param), Field(default_factory=lambda: None, alias=name))
    )


def _annotation(param):
    ends = ("gt", "lt") if param.exclusive else ("ge", "le")
    if param.kind in {"string", "array"}:
        ends = ("min_length", "max_length")
    said = dict(zip(ends, (param.low, param.high), strict=True)) | {
        "pattern": param.pattern,
        "multiple_of": param.step,
    }
    said = {key: value for key, value in said.items() if value is not None}
    if param.choices is not None:
        kind = Literal[param.choices]
    elif param.kind == "array":
        kind = list[Any if param.item is None else _annotation(param.item)]
    elif param.fields is not None:
        kind = model_of(param.fields)
    else:
        kind = PYTHON[param.kind] if param.values is None else dict[str, _annotation(param.values)]
    kind = Annotated[kind, Field(**said)] if said else kind
    return Optional[kind] if param.nullable else kind  # noqa: UP045 - the annotation is made at run time


def valid(param):
    """Mostly values that fit; a step, an exclusive end and a pattern are met now and then."""
    fitting = _valid(param)
    return st.none() | fitting if param.nullable else fitting


def _valid(param):
    if param.choices is not None:
        return st.sampled_from(param.choices)
    if param.kind == "string":
        if param.pattern is not None:
            return st.from_regex(param.pattern, alphabet=ALPHABET)
        return st.text(ALPHABET, min_size=param.low or 0, max_size=param.high)
    if param.kind == "integer":
        return st.integers(param.low, param.high).map(lambda n: n - n % param.step if param.step else n)
    if param.kind == "number":
        whole = st.integers(-10, 10).map(lambda n: n * (param.step or 1))
        return whole | st.floats(param.low, param.high, allow_nan=False, allow_infinity=False)
    if param.kind == "boolean":
        return st.booleans()
    if param.kind == "array":
        item = JSON if param.item is None else valid(param.item)
        return st.lists(
            item, min_size=param.low or 0, max_size=(param.low or 0) + 2 if param.high is None else param.high
        )
    if param.fields is not None:
        return objects(param.fields)
    return st.dictionaries(ONLY_AS_TEXT, JSON if param.values is None else valid(param.values), max_size=3)


def objects(fields):
    """Objects that mostly fit."""
    return st.fixed_dictionaries(
        {name: valid(param) for name, param in fields if param.required},
        optional={name: valid(param) for name, param in fields if not param.required},
    )


def _surely_fits(param, value):
    if isinstance(value, str) and value.endswith("\n"):
        return False
    return "\\n" not in repr(value) and Draft202012Validator(_schema(param)).is_valid(value)


@st.composite
def near(draw, fields):
    """Objects that mostly fit, with one value at the edge of its bounds, or changed in a place or two."""
    value = draw(objects(fields))
    bounded = [(name, param) for name, param in fields if not param.low == param.high is None]
    if bounded and draw(st.booleans()):
        name, param = draw(st.sampled_from(bounded))
        return value | {name: draw(_at_the_edge(param))}
    for _ in range(draw(st.integers(0, 2))):
        value = draw(_mutated(value))
    return value


def _at_the_edge(param):
    ends = [end for end in (param.low, param.high) if end is not None]
    if param.kind in {"integer", "number"}:
        return st.sampled_from([end + step for end in ends for step in (-1, 0, 1)])
    sizes = st.sampled_from([max(0, end + step) for end in ends for step in (-1, 0, 1)])
    if param.kind == "string":
        return sizes.flatmap(lambda size: st.text(ALPHABET, min_size=size, max_size=size))
    item = JSON if param.item is None else valid(param.item)
    return sizes.flatmap(lambda size: st.lists(item, min_size=size, max_size=size))


@st.composite
def _mutated(draw, value):
    if isinstance(value, dict) and draw(st.integers(0, 5)):
        name = draw(st.sampled_from([*value, "new"]) if value else st.just("new"))
        if name in value and draw(st.booleans()):
            return value | {name: draw(_mutated(value[name]))}
        if name in value and draw(st.booleans()):
            return {key: item for key, item in value.items() if key != name}
        return value | {name: draw(JSON)}
    if isinstance(value, list) and value and draw(st.integers(0, 5)):
        at = draw(st.integers(0, len(value) - 1))
        return [*value[:at], draw(_mutated(value[at])), *value[at + 1 :]]
    return draw(st.sampled_from(_neighbours(value)) | JSON)


def _neighbours(value):
    if isinstance(value, bool):
        return [int(value), str(value), not value, None]
    if isinstance(value, int) and abs(value) < 2**53:
        return [value + 1, value - 1, float(value), value + 0.5, str(value), bool(value)]
    if isinstance(value, float):
        return [value - 1, -value, value / 2, str(value), 0, 0.0]
    if isinstance(value, str):
        return [value + "\n", value + "a", value[:-1], "\n" + value, [value], 1]
    return [None, [value], {"value": value}, True, 0]
