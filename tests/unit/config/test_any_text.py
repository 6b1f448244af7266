"""Any text at all is a configuration, or one line of complaint."""

import re
import shutil
import tempfile
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from effectd.base.errors import ConfigError
from effectd.config import reader

words = st.sampled_from(
    [
        *(
            "topic_root",
            "broker",
            "devices",
            "effects",
            "light",
            "kind",
            "virtual",
            "limits",
            "labels",
            "off",
            "5",
            ".nan",
        ),
        *(
            ":",
            ": ",
            "\n",
            "\n  ",
            "\n    ",
            "- ",
            "[",
            "]",
            "{",
            "}",
            ", ",
            "&a ",
            "*a",
            "!!int ",
            "!!bool ",
            "'",
            '"',
        ),
        *(
            "|",
            ">",
            "#",
            "?",
            "%",
            "@",
            "\t",
            "null",
            "~",
            "1e5",
            "0x",
            "2001-01-01",
            "!!timestamp ",
            "!!set ",
            "<<",
            "=",
        ),
    ]
)
texts = st.one_of(
    st.text(max_size=80).map(lambda text: text.encode(errors="surrogatepass")),
    st.binary(max_size=40),
    st.lists(words, max_size=30).map(lambda found: "".join(found).encode()),
)


@given(texts)
def test_any_text_is_a_configuration_or_a_config_error_of_one_line(text):
    folder = Path(tempfile.mkdtemp(dir="/tmp"))
    try:
        (folder / "config.yaml").write_bytes(text)
        tree = reader.load(folder)
        errors = list(tree.errors)
    except ConfigError as error:
        errors = [error]
    finally:
        shutil.rmtree(folder)
    for error in errors:
        assert re.fullmatch(rf"{folder}/config\.yaml:\d+: .+", str(error))
