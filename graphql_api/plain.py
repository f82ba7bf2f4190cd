"""What is plain: objects that only hold attributes, fields that only read one, types that only a class decides.

What is not asked for here can't be known before it runs, and is left to graphql-core.
"""

from types import MemberDescriptorType, NoneType
from typing import cast

from graphql import GraphQLField, GraphQLObjectType, GraphQLOutputType, GraphQLSchema, GraphQLUnionType, Undefined
from strawberry.schema.schema_converter import GraphQLCoreConverter
from strawberry.types.base import StrawberryObjectDefinition
from strawberry.types.cast import TYPE_CAST_ATTRIBUTE
from strawberry.types.field import StrawberryField

from graphql_api.derived import Derived
from merchantry.services.written import Hole

DEFINITION = GraphQLCoreConverter.DEFINITION_BACKREF
"""Under which key of their extensions graphql-core's types and fields hold what Strawberry made them of."""
_STRANGE = {"__getattribute__", "__getattr__", "__class__", "__await__", "__aiter__", TYPE_CAST_ATTRIBUTE}


class Unexpected(Exception):
    """Not for a compiled function to answer."""


def require(holds: bool) -> None:
    """Raises Unexpected where it does not."""
    if not holds:
        raise Unexpected


def is_plain(class_: type) -> bool:
    """Whether objects of the class are mere holders of attributes, which no code of theirs looks after."""
    own = {name for base in class_.__mro__ if base is not object for name in vars(base)}
    return not own & _STRANGE and not issubclass(class_, (BaseException, NoneType, type(Undefined)))


def is_plain_attribute(class_: type, name: str) -> bool:
    """Whether reading the attribute runs no code: it is in the object, or in a slot, or a default of the class; or runs
    such as makes no difference.
    """
    found = next((vars(base)[name] for base in class_.__mro__ if name in vars(base)), None)
    return isinstance(found, MemberDescriptorType | Derived) or not hasattr(type(found), "__get__")


def is_hole(class_: type, name: str) -> bool:
    """Whether an attribute is left open where PostgreSQL writes the others."""
    found = getattr(class_, name, None)
    return isinstance(found, Derived) and isinstance(found.written, Hole)


def attribute_of(field: GraphQLField) -> str:
    """The attribute that a field reads as it is. Raises Unexpected for fields that do more."""
    return attribute(field.extensions.get(DEFINITION), field.resolve)


def attribute(field: object, resolve: object) -> str:
    """The same of Strawberry's field and its resolver."""
    if not isinstance(field, StrawberryField) or not getattr(resolve, "_is_default", False):
        raise Unexpected
    require(field.is_basic_field and type(field).get_result is StrawberryField.get_result)
    require(field.default_resolver is getattr)
    return field.python_name


def origins(definition: StrawberryObjectDefinition) -> tuple[type, ...]:
    """The classes whose objects are of this type."""
    return (*(interface.origin for interface in definition.interfaces), definition.origin)


def object_type(schema: GraphQLSchema, type_: GraphQLOutputType, class_: type) -> GraphQLObjectType:
    """The type of objects of exactly this class, where an interface or a union stands and nothing else decides."""
    abstract = cast("GraphQLUnionType", type_)
    definition = getattr(class_, "__strawberry_definition__", None)
    if not isinstance(definition, StrawberryObjectDefinition):
        raise Unexpected
    require(definition.concrete_of is None and not definition.is_graphql_generic)
    found = schema.get_type(definition.name)
    if not isinstance(found, GraphQLObjectType):
        raise Unexpected
    require(found.extensions.get(DEFINITION) is definition and schema.is_sub_type(abstract, found))
    declared = abstract.extensions[DEFINITION]
    if isinstance(declared, StrawberryObjectDefinition):
        require(declared.resolve_type is None and issubclass(class_, declared.origin))
    return found
