"""The colours of MPEG-V by term (ISO/IEC 23005-6, ColorCS), where they are not those of CSS by the same name.

Written as a file may write them: any case of letters, with or without `_`, `-`, `/` and spaces.
"""

import re

from effectd.messages.colors import COLORS

# fmt: off
_TERMS = {
    "alizarin": "#e32636", "amaranth": "#e52b50", "amaranthpink": "#f19cbb", "amber": "#ffbf00",
    "amethyst": "#9966cc", "apricot": "#fbceb1", "armygreen": "#4b5320", "asparagus": "#7ba05b",
    "atomictangerine": "#ff9966", "auburn": "#6f351a", "azurecolorwheel": "#007fff", "azureweb": "#f0ffff",
    "babyblue": "#e0ffff", "bistre": "#3d2b1f", "bluegreen": "#00dfdf", "bluepigment": "#333399",
    "blueryb": "#0247fe", "bondiblue": "#0095b6", "brass": "#b5a642", "brightgreen": "#66ff00",
    "brightpink": "#ff007f", "brightturquoise": "#08e8de", "brilliantrose": "#ff55a3", "brinkpink": "#fb607f",
    "bronze": "#cd7f32", "brown": "#964b00", "buff": "#f0dc82", "burgundy": "#800020", "burntorange": "#cc5500",
    "burntsienna": "#e97451", "burntumber": "#8a3324", "camouflagegreen": "#78866b", "caputmortuum": "#592720",
    "cardinal": "#c41e3a", "carmine": "#960018", "carminepink": "#eb4c42", "carnationpink": "#ffa6c9",
    "carolinablue": "#9cbae3", "carrotorange": "#ed9121", "celadon": "#ace1af", "cerise": "#de3163",
    "cerisepink": "#ec3b83", "cerulean": "#007ba7", "ceruleanblue": "#2a52be", "champagne": "#f7e7ce",
    "charcoal": "#464646", "chartreusetraditional": "#dfff00", "chartreuseweb": "#7fff00",
    "cherryblossompink": "#ffb7c5", "chestnut": "#cd5c5c", "chocolate": "#7b3f00", "cinnabar": "#e34234",
    "cinnamon": "#d2691e", "cobalt": "#0047ab", "columbiablue": "#9bddff", "copper": "#b87333",
    "copperrose": "#996666", "coralpink": "#f88379", "coralred": "#ff4040", "corn": "#fbec5d",
    "cosmiclatte": "#fff8e7", "cream": "#fffdd0", "cyanprocess": "#00b4f7", "darkbrown": "#654321",
    "darkcerulean": "#08457e", "darkchestnut": "#986960", "darkcoral": "#cd5b45", "darkgreen": "#013220",
    "darkpastelgreen": "#03c03c", "darkpink": "#e75480", "darkscarlet": "#560319", "darkspringgreen": "#177245",
    "darktan": "#918151", "deepcarminepink": "#ef3038", "deepcerise": "#da3287", "deepchestnut": "#b94e48",
    "deepfuchsia": "#c154c1", "deeplilac": "#9955bb", "deepmagenta": "#cc00cc", "deeppeach": "#ffcba4",
    "denim": "#1560bd", "ecru": "#c2b280", "eggplant": "#614051", "egyptianblue": "#1034a6",
    "electricblue": "#7df9ff", "electricgreenx11green": "#00ff00", "electricindigo": "#6600ff",
    "electriclime": "#ccff00", "electricpurple": "#bf00ff", "emerald": "#50c878", "falured": "#801818",
    "ferngreen": "#4f7942", "flax": "#eedc82", "frenchrose": "#f64a8a", "fuchsiapink": "#ff77ff",
    "gamboge": "#e49b0f", "goldenbrown": "#996515", "goldenyellow": "#ffdf00", "goldmetallic": "#d4af37",
    "goldwebgolden": "#ffd700", "green": "#00ff00", "greenhtmlcssgreen": "#008000", "greenpigment": "#00a550",
    "greenryb": "#66b032", "greyasparagus": "#465945", "hanpurple": "#5218fa", "harlequin": "#3fff00",
    "heliotrope": "#df73ff", "hollywoodcerise": "#f400a1", "hotmagenta": "#ff00cc", "indigodye": "#00416a",
    "indigoweb": "#4b0082", "internationalkleinblue": "#002fa7", "internationalorange": "#ff4f00",
    "islamicgreen": "#009900", "jade": "#00a86b", "kellygreen": "#4cbb17", "khaki": "#c3b091",
    "khakix11lightkhaki": "#f0e68c", "lavenderblue": "#ccccff", "lavenderfloral": "#b57edc",
    "lavendergrey": "#c4c3dd", "lavendermagenta": "#ee82ee", "lavenderpink": "#fbaed2", "lavenderpurple": "#9678b6",
    "lavenderrose": "#fba0e3", "lavenderweb": "#e6e6fa", "lemon": "#fde910", "lilac": "#c8a2c8",
    "limecolorwheel": "#bfff00", "limewebx11green": "#00ff00", "magentadye": "#ca1f17", "magentaprocess": "#ff0090",
    "magicmint": "#aaf0d1", "magnolia": "#f8f4ff", "malachite": "#0bda51", "maroonhtmlcss": "#800000",
    "maroonx11": "#b03060", "mauve": "#e0b0ff", "mauvetaupe": "#915f6d", "mayablue": "#73c2fb",
    "mediumcarmine": "#af4035", "mediumlavendermagenta": "#cc99cc", "midnightgreeneaglegreen": "#004953",
    "mintgreen": "#98ff98", "mossgreen": "#addfad", "mountbattenpink": "#997a8d", "mustard": "#ffdb58",
    "myrtle": "#21421e", "navyblue": "#000080", "ochre": "#cc7722", "officegreen": "#008000", "oldgold": "#cfb53b",
    "oldlavender": "#796878", "oldrose": "#c08081", "olivine": "#9ab973", "orangecolorwheel": "#ff7f00",
    "orangepeel": "#ffa000", "orangeryb": "#fb9902", "orangeweb": "#ffa500", "paleblue": "#afeeee",
    "palebrown": "#987654", "palecarmine": "#af4035", "palechestnut": "#ddadaf", "palecornflowerblue": "#abcdef",
    "palemagenta": "#f984e5", "palepink": "#fadadd", "paleredviolet": "#db7093", "pastelgreen": "#77dd77",
    "pastelpink": "#ffd1dc", "peach": "#ffe5b4", "peachorange": "#ffcc99", "peachyellow": "#fadfad",
    "pear": "#d1e231", "periwinkle": "#ccccff", "persianblue": "#1c39bb", "persiangreen": "#00a693",
    "persianindigo": "#32127a", "persianorange": "#d99058", "persianpink": "#f77fbe", "persianred": "#cc3333",
    "persianrose": "#fe28a2", "persimmon": "#ec5800", "pinegreen": "#01796f", "pinkorange": "#ff9966",
    "platinum": "#e5e4e2", "plumweb": "#cc99cc", "powderblueweb": "#b0e0e6", "prussianblue": "#003153",
    "psychedelicpurple": "#dd00ff", "puce": "#cc8899", "pumpkin": "#ff7518", "purplehtmlcss": "#800080",
    "purpletaupe": "#50404d", "purplex11": "#a05cf0", "rawumber": "#734a12", "razzmatazz": "#e30b5c",
    "redpigment": "#ed1c24", "redryb": "#fe2712", "redviolet": "#c71585", "richcarmine": "#d70040",
    "robineggblue": "#00cccc", "rose": "#ff007f", "rosemadder": "#e32636", "rosetaupe": "#905d5d",
    "royalpurple": "#6b3fa0", "ruby": "#e0115f", "russet": "#80461b", "rust": "#b7410e",
    "safetyorangeblazeorange": "#ff6600", "saffron": "#f4c430", "salmon": "#ff8c69", "sangria": "#92000a",
    "sapphire": "#082567", "scarlet": "#ff2400", "schoolbusyellow": "#ffd800", "selectiveyellow": "#ffba00",
    "sepia": "#704214", "shamrockgreen": "#009e60", "shockingpink": "#fc0fc0", "smaltdarkpowderblue": "#003399",
    "springbud": "#a7fc00", "tangerine": "#f28500", "tangerineyellow": "#ffcc00", "taupe": "#483c32",
    "teagreen": "#d0f0c0", "tearoseorange": "#f883c2", "tearoserose": "#f4c2c2", "tennetawny": "#cd5700",
    "terracotta": "#e2725b", "turquoise": "#30d5c8", "tyrianpurple": "#66023c", "ultramarine": "#120a8f",
    "ultrapink": "#ff6fff", "unitednationsblue": "#5b92e5", "vegasgold": "#c5b358", "vermilion": "#e34233",
    "violet": "#8b00ff", "violetryb": "#024736", "violetweb": "#ee82ee", "viridian": "#40826d", "wisteria": "#c9a0dc",
    "yellowprocess": "#ffef00", "yellowryb": "#fefe33",
}
# fmt: on
_KNOWN = COLORS | _TERMS


def color(term: str) -> str | None:
    """#rrggbb; None: it is no colour of MPEG-V or CSS."""
    return _KNOWN.get(re.sub(r"[^a-z0-9]", "", term.lower()))
