from tests.hub.serving import serve

__all__ = ["serve"]
