"""Whom we greeted."""

import unittest

from greeter import Visits


class VisitsTest(unittest.TestCase):
    def setUp(self):
        self.visits = Visits()

    def test_nobody_came_yet(self):
        self.assertEqual(self.visits.count("Ada"), 0)

    def test_a_first_visit_counts_one(self):
        self.assertEqual(self.visits.add("Ada"), 1)

    def test_a_second_visit_counts_two(self):
        self.visits.add("Ada")
        self.assertEqual(self.visits.add("Ada"), 2)

    def test_visitors_are_kept_apart(self):
        self.visits.add("Ada")
        self.assertEqual(self.visits.count("Grace"), 0)

    def test_names_are_in_order(self):
        for name in ["Grace", "Ada"]:
            self.visits.add(name)
        self.assertEqual(self.visits.names(), ["Ada", "Grace"])
