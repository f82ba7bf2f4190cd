"""Which selections PostgreSQL writes: those whose every field says how it is written (``derived``)."""

from typing import cast

from graphql import GraphQLEnumType, GraphQLObjectType, GraphQLOutputType, get_named_type, is_leaf_type
from graphql.execution.collect_fields import FieldDetailsList

from graphql_api import plain
from graphql_api.compilation import Compiler
from graphql_api.derived import Derived, ForStaff, Writable
from graphql_api.plain import Unexpected, require
from merchantry.services.written import Constant, Currency, Cursor, Decimal, Hole, Lines, Member, Object, Value

MAX_VALUES = 80
"""In what is written: its statement takes some ten thousand bytes of memory for each."""

LISTS = frozenset({"nodes", "edges"})
"""What holds the rows of a connection."""


class Writer:
    """Finds what is to be written of an operation's selections. Orders and their lines are objects of these classes."""

    def __init__(self, compiler: Compiler, order: type, line: type, *, for_staff: bool) -> None:
        self._compiler = compiler
        self._order = order
        self._line = line
        self._for_staff = for_staff

    def order(self, type_: GraphQLObjectType, fields: FieldDetailsList) -> Object | Lines | None:
        """Orders, of which this is selected: all of it, or their lines, or nothing."""
        try:
            found = self._object(type_, fields, self._order)
            return found if found.size <= MAX_VALUES else None
        except Unexpected:
            return self._lines(type_, fields)

    def row(self, connection: GraphQLObjectType, fields: FieldDetailsList, cursor: Cursor) -> Object | None:
        """Each row of a connection of orders, of which this is selected: a node or an edge, as its one list has them.

        None where there isn't one list, or not all of a row can be written.
        """
        try:
            selected = self._compiler.collected(connection, fields).values()
            lists = [group for group in selected if group[0].node.name.value in LISTS]
            if len(lists) != 1:
                return None  # one row of the database answers in one way
            type_ = cast("GraphQLObjectType", get_named_type(connection.fields[lists[0][0].node.name.value].type))
            is_order = type_.name == "Order"
            found = self._object(type_, lists[0], self._order) if is_order else self._edge(type_, lists[0], cursor)
            return found if found.size <= MAX_VALUES else None
        except Unexpected:
            return None

    def _edge(self, type_: GraphQLObjectType, fields: FieldDetailsList, cursor: Cursor) -> Object:
        members: list[tuple[str, Value]] = []
        known: dict[str, Value] = {"cursor": cursor, "__typename": Constant(type_.name)}
        for key, group in self._compiler.collected(type_, fields).items():
            name = group[0].node.name.value
            if name == "node":
                node = cast("GraphQLObjectType", get_named_type(type_.fields[name].type))
                members.append((key, self._object(node, group, self._order)))
            else:
                members.append((key, known[name]))
        return Object(tuple(members))

    def _lines(self, type_: GraphQLObjectType, fields: FieldDetailsList) -> Lines | None:
        selected = self._compiler.collected(type_, fields).values()
        groups = [group for group in selected if group[0].node.name.value == "lines"]
        if len(groups) != 1:
            return None  # an order has one place for what is written of its lines
        try:
            found = cast("Lines", self._member(type_, groups[0], self._order))
            return found if found.line.size <= MAX_VALUES else None
        except Unexpected:
            return None

    def _object(self, type_: GraphQLObjectType, fields: FieldDetailsList, class_: type) -> Object:
        """Raises Unexpected where Python has to make one of the fields."""
        members = []
        for key, group in self._compiler.collected(type_, fields).items():
            members.append((key, self._member(type_, group, class_)))
        return Object(tuple(members))

    def _member(self, type_: GraphQLObjectType, group: FieldDetailsList, class_: type) -> Value:
        name = group[0].node.name.value
        if name == "__typename":
            return Constant(type_.name)
        field = type_.fields[name]
        attribute = plain.attribute_of(field)
        require(not field.args and not group[0].node.arguments)
        derived = getattr(class_, attribute, None)
        require(isinstance(derived, Derived))
        return self._value(field.type, group, cast("Derived", derived).written)

    def _value(self, type_: GraphQLOutputType, group: FieldDetailsList, written: Writable | None) -> Value:
        named = get_named_type(type_)
        if named.name == "OrderLine":
            return Lines(self._object(cast("GraphQLObjectType", named), group, self._line))
        if isinstance(written, ForStaff):
            return self._value(type_, group, written.value) if self._for_staff else Constant(None)
        if isinstance(written, Decimal):
            return self._money(cast("GraphQLObjectType", named), group, written)
        if isinstance(written, Hole):
            return written
        if isinstance(written, Member):
            members = cast("GraphQLEnumType", named).values
            require(all(str(each.value).upper() == name for name, each in members.items()))
        if written is None or not is_leaf_type(named):
            raise Unexpected
        return written

    def _money(self, type_: GraphQLObjectType, fields: FieldDetailsList, amount: Decimal) -> Object:
        known: dict[str, Value] = {"amount": amount, "currency": Currency(), "__typename": Constant(type_.name)}
        collected = self._compiler.collected(type_, fields)
        return Object(tuple((key, known[group[0].node.name.value]) for key, group in collected.items()))
