"""Greets people and remembers whom it greeted."""

from greeter.greeting import greet
from greeter.visits import Visits

__all__ = ["Visits", "greet"]
