"""What is said."""

import unittest

from greeter import greet


class GreetingTest(unittest.TestCase):
    def test_somebody_is_greeted_by_name(self):
        self.assertEqual(greet("Ada"), "Hello, Ada!")

    def test_nobody_is_the_world(self):
        self.assertEqual(greet("  "), "Hello, world!")

    def test_spaces_around_a_name_do_not_count(self):
        self.assertEqual(greet(" Ada "), "Hello, Ada!")

    def test_french(self):
        self.assertEqual(greet("Ada", "fr"), "Bonjour, Ada!")

    def test_german(self):
        self.assertEqual(greet("Ada", "de"), "Hallo, Ada!")

    def test_an_unknown_language_is_told(self):
        with self.assertRaisesRegex(ValueError, "no language has the code 'xx'"):
            greet("Ada", "xx")
