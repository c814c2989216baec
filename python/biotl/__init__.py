"""biotl: from a raw biosignal file to a model file that takes the raw signal."""


def __getattr__(name: str) -> str:
    # importlib.metadata costs more than the rest of the import, so the version is looked up when asked for
    if name == "__version__":
        from importlib.metadata import PackageNotFoundError, version

        try:
            return version("biotl")
        except PackageNotFoundError:
            return "from a source tree"
    raise AttributeError(name)
