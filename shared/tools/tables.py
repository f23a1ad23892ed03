"""The table of published tools."""

from sqlalchemy import CheckConstraint, Column, DateTime, Table, Text
from sqlalchemy.dialects.postgresql import JSONB

from shared.db.base import metadata

published_tools = Table(
    "published_tools",
    metadata,
    Column("name", Text, primary_key=True),
    Column("description", Text, nullable=False),
    Column("input_schema", JSONB(none_as_null=True), nullable=False),
    Column("source", Text, nullable=False),
    Column("policy", Text, nullable=False),
    Column("published_at", DateTime(timezone=True), nullable=False),
    CheckConstraint("policy IN ('ask','rerun')", name="policy"),
)
