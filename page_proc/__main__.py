"""`python -m page_proc [--home DIR]`: serve the page and the HTTP API of this home."""

import sys

from effectd.program import process


def main(this: process.Process) -> None:
    from page_proc.page import serve  # asyncio, Starlette, uvicorn: after the gate is open

    serve(this)


if __name__ == "__main__":
    arguments = process.command_line("The room in a browser, and an HTTP API.")
    sys.exit(process.run("page", main, home=arguments.home, dies_at_once=True))
