"""What is said."""

HELLO = {"en": "Hello", "fr": "Bonjour", "de": "Hallo"}


def greet(name: str, language: str = "en") -> str:
    """Greets somebody; the world if nobody is named."""
    if language not in HELLO:
        raise ValueError(f"no language has the code {language!r}")
    return f"{HELLO[language]}, {name.strip() or 'world'}!"
