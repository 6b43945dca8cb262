"""The words of the sample shop: departments, shelves, things, what they are made of and what is said of them."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Department:
    """A top category: its shelves with their nouns, and what its things may be called, tagged and cost."""

    name: str
    shelves: dict[str, tuple[str, ...]]
    qualifiers: tuple[str, ...]
    variants: tuple[str, ...]
    benefits: tuple[str, ...]
    tags: tuple[str, ...]
    median_price: float
    price_spread: float
    peak_month: float
    """Month (1–12) in which the department sells best."""
    season: float
    """How much better: 0 is the same all year."""


DEPARTMENTS = (
    Department(
        "Clothing",
        {
            "Sweaters": ("sweater", "cardigan", "turtleneck", "knitted vest"),
            "Shirts": ("oxford shirt", "polo shirt", "t-shirt", "blouse"),
            "Jackets": ("rain jacket", "denim jacket", "quilted coat", "windbreaker"),
            "Shoes": ("running shoes", "leather boots", "canvas sneakers", "sandals"),
            "Accessories": ("scarf", "beanie", "leather belt", "gloves"),
        },
        ("Merino wool", "Organic cotton", "Recycled", "Linen", "Cashmere blend", "Slim fit", "Relaxed", "Waterproof"),
        ("navy", "charcoal", "forest green", "rust", "cream", "black", "sky blue", "burgundy"),
        ("keeps its shape wash after wash", "is soft against the skin", "layers well under a coat", "packs small"),
        ("warm", "breathable", "classic", "casual", "formal", "outdoor", "handmade", "vegan"),
        45.0,
        0.55,
        11.0,
        0.35,
    ),
    Department(
        "Kitchen",
        {
            "Cookware": ("frying pan", "saucepan", "casserole", "wok"),
            "Knives": ("chef's knife", "paring knife", "bread knife", "knife block"),
            "Baking": ("cake tin", "rolling pin", "mixing bowl", "muffin tray"),
            "Coffee": ("coffee grinder", "moka pot", "pour-over dripper", "espresso machine"),
            "Tableware": ("dinner plate", "soup bowl", "water glass", "serving board"),
        },
        ("Cast iron", "Stainless steel", "Enamelled", "Copper", "Ceramic", "Bamboo", "Professional", "Compact"),
        ("20 cm", "24 cm", "28 cm", "set of two", "set of six", "white", "matt black", "sage"),
        ("heats evenly", "cleans up in a minute", "will outlast its owner", "sits well in the hand"),
        ("dishwasher-safe", "induction", "gift", "everyday", "professional", "compact", "oven-proof", "classic"),
        38.0,
        0.7,
        12.0,
        0.4,
    ),
    Department(
        "Books",
        {
            "Crime": ("murder mystery", "courtroom thriller", "detective novel", "spy story"),
            "Fantasy": ("dragon saga", "fairy-tale retelling", "quest novel", "tale of two kingdoms"),
            "Cookery": ("weeknight cookbook", "baking guide", "vegetarian cookbook", "book of soups"),
            "History": ("history of the sea", "biography of an explorer", "account of the silk road", "war diary"),
            "Children": ("picture book", "bedtime story", "book of riddles", "alphabet book"),
        },
        ("Award-winning", "Illustrated", "Bestselling", "Forgotten", "Pocket", "Annotated", "New", "Complete"),
        ("hardback", "paperback", "large print", "second edition", "boxed set", "signed copy"),
        ("is hard to put down", "rewards a second reading", "explains without lecturing", "makes you laugh aloud"),
        ("fiction", "gift", "series", "short", "classic", "debut", "translated", "for-adults"),
        16.0,
        0.4,
        12.0,
        0.55,
    ),
    Department(
        "Garden",
        {
            "Seeds": ("tomato seeds", "wildflower mix", "salad seeds", "sunflower seeds"),
            "Tools": ("pruning shears", "hand trowel", "garden fork", "hose reel"),
            "Pots": ("terracotta pot", "hanging basket", "raised bed", "window box"),
            "Furniture": ("folding chair", "garden bench", "parasol", "picnic table"),
            "Wildlife": ("bird feeder", "nesting box", "bee hotel", "hedgehog house"),
        },
        ("Hardy", "Heritage", "Teak", "Galvanised", "Organic", "Lightweight", "Frost-proof", "Oak"),
        ("small", "medium", "large", "set of three", "green", "natural", "grey"),
        ("survives a wet winter", "needs no skill at all", "brings the bees", "folds away in autumn"),
        ("outdoor", "organic", "beginner", "balcony", "spring", "wildlife", "gift", "durable"),
        24.0,
        0.75,
        5.0,
        0.75,
    ),
    Department(
        "Electronics",
        {
            "Headphones": ("over-ear headphones", "earbuds", "sports earphones", "studio headphones"),
            "Phones": ("smartphone", "phone case", "wireless charger", "power bank"),
            "Computers": ("mechanical keyboard", "wireless mouse", "laptop stand", "monitor"),
            "Cameras": ("mirrorless camera", "tripod", "camera bag", "action camera"),
            "Speakers": ("bookshelf speaker", "portable speaker", "soundbar", "turntable"),
        },
        ("Noise-cancelling", "Ultra-light", "Rugged", "Entry-level", "Premium", "Foldable", "Long-life", "Hi-fi"),
        ("black", "silver", "white", "midnight blue", "64 GB", "second generation", "travel edition"),
        ("runs all day on one charge", "sounds bigger than it looks", "pairs in seconds", "fits in a coat pocket"),
        ("wireless", "travel", "gaming", "office", "professional", "compact", "gift", "rechargeable"),
        95.0,
        0.9,
        11.5,
        0.5,
    ),
    Department(
        "Sports",
        {
            "Running": ("running vest", "hydration belt", "reflective jacket", "running shorts"),
            "Yoga": ("yoga mat", "cork block", "yoga leggings", "meditation cushion"),
            "Cycling": ("bike helmet", "pannier bag", "cycling jersey", "bike light"),
            "Climbing": ("climbing harness", "chalk bag", "climbing rope", "carabiner set"),
            "Swimming": ("swimming goggles", "swimsuit", "kickboard", "quick-dry towel"),
        },
        ("Lightweight", "Training", "Race", "Padded", "Beginner's", "All-weather", "Recycled", "Pro"),
        ("small", "medium", "large", "red", "neon yellow", "black", "blue and white"),
        ("stays put when you move", "dries in an hour", "takes years of hard use", "weighs next to nothing"),
        ("outdoor", "breathable", "reflective", "beginner", "professional", "durable", "vegan", "travel"),
        36.0,
        0.65,
        6.0,
        0.3,
    ),
    Department(
        "Toys",
        {
            "Building": ("building blocks", "marble run", "train set", "model castle"),
            "Puzzles": ("jigsaw puzzle", "wooden puzzle", "brain teaser", "puzzle globe"),
            "Board games": ("strategy game", "card game", "party game", "cooperative game"),
            "Dolls": ("rag doll", "doll's house", "teddy bear", "puppet"),
            "Science": ("microscope kit", "crystal garden", "robot kit", "telescope"),
        },
        ("Wooden", "Classic", "Giant", "Travel", "Magnetic", "Hand-painted", "Junior", "Deluxe"),
        ("100 pieces", "500 pieces", "for two", "for four", "ages 3+", "ages 6+", "ages 10+"),
        ("keeps a rainy afternoon busy", "teaches patience", "grows with the child", "is fun for grandparents too"),
        ("gift", "educational", "family", "wooden", "travel", "short", "cooperative", "classic"),
        27.0,
        0.55,
        12.0,
        0.9,
    ),
    Department(
        "Beauty",
        {
            "Skin": ("face cream", "night serum", "cleansing balm", "sun lotion"),
            "Hair": ("shampoo bar", "hair oil", "conditioner", "wooden comb"),
            "Fragrance": ("eau de toilette", "scented candle", "body mist", "room spray"),
            "Make-up": ("lipstick", "mascara", "eyeshadow palette", "brow pencil"),
            "Bath": ("bath salts", "soap bar", "body scrub", "bath oil"),
        },
        ("Lavender", "Rose", "Unscented", "Citrus", "Sea salt", "Almond", "Gentle", "Intense"),
        ("50 ml", "100 ml", "200 ml", "refill", "gift box", "travel size", "trio"),
        ("leaves the skin calm", "smells like a summer morning", "lasts through a long day", "rinses off cleanly"),
        ("vegan", "organic", "gift", "refillable", "handmade", "sensitive", "travel", "everyday"),
        19.0,
        0.6,
        12.0,
        0.3,
    ),
    Department(
        "Pets",
        {
            "Dogs": ("dog bed", "dog lead", "chew toy", "dog coat"),
            "Cats": ("scratching post", "cat tunnel", "litter tray", "feather wand"),
            "Fish": ("aquarium plant", "fish food", "water filter", "gravel"),
            "Birds": ("bird cage", "perch", "millet spray", "mineral block"),
            "Small animals": ("hamster wheel", "rabbit hutch", "hay bale", "guinea pig tunnel"),
        },
        ("Washable", "Orthopaedic", "Natural", "Extra-strong", "Quiet", "Cosy", "Grain-free", "Reflective"),
        ("small", "medium", "large", "grey", "tartan", "pack of two", "1 kg"),
        ("survives sharp teeth", "can go in the washing machine", "has been tested by fussy animals", "wipes clean"),
        ("durable", "organic", "everyday", "beginner", "outdoor", "reflective", "gift", "washable"),
        21.0,
        0.6,
        3.0,
        0.1,
    ),
    Department(
        "Home",
        {
            "Lighting": ("table lamp", "floor lamp", "pendant light", "string lights"),
            "Bedding": ("duvet cover", "pillow", "wool blanket", "fitted sheet"),
            "Storage": ("storage basket", "bookcase", "coat rack", "shoe cabinet"),
            "Decor": ("wall mirror", "picture frame", "vase", "rug"),
            "Office": ("desk", "office chair", "desk organiser", "pinboard"),
        },
        ("Walnut", "Rattan", "Brushed brass", "Linen", "Scandinavian", "Vintage", "Minimalist", "Washed cotton"),
        ("natural", "white", "terracotta", "olive", "single", "double", "tall", "low"),
        ("warms up a bare room", "goes together in ten minutes", "hides the clutter", "looks better every year"),
        ("compact", "handmade", "durable", "classic", "gift", "everyday", "washable", "formal"),
        58.0,
        0.85,
        10.0,
        0.2,
    ),
)
"""The category tree, two levels deep."""

BRAND_STARTS = (
    "Alder", "Bright", "Cedar", "Dune", "Ember", "Fern", "Glen", "Harbour", "Iron", "Juniper",
    "Kestrel", "Lark", "Maple", "North", "Otter", "Pine", "Quill", "River", "Stone", "Thistle",
)  # fmt: skip
BRAND_ENDS = (
    "brook", "field", "ford", "gate", "hill", "house", "land", "lane", "mark", "mill",
    "moor", "point", "port", "ridge", "side", "smith", "ton", "wood", "works", "yard",
)  # fmt: skip

PLACES = {
    "GB": ("London", "Leeds", "Bristol", "Glasgow"),
    "DE": ("Berlin", "Hamburg", "Munich", "Leipzig"),
    "FR": ("Paris", "Lyon", "Nantes", "Lille"),
    "US": ("New York", "Chicago", "Portland", "Austin"),
    "ES": ("Madrid", "Valencia", "Seville", "Bilbao"),
    "SE": ("Stockholm", "Malmö", "Uppsala", "Umeå"),
    "PL": ("Warsaw", "Kraków", "Gdańsk", "Łódź"),
    "JP": ("Tokyo", "Osaka", "Sapporo", "Kyoto"),
}
"""Country code → cities."""

COUNTRY_SHARES = (0.22, 0.2, 0.15, 0.18, 0.09, 0.05, 0.06, 0.05)
GENDERS = ("female", "male", "other")
GENDER_SHARES = (0.51, 0.46, 0.03)

DESCRIPTION = (
    "{qualifier} {noun} from {brand}. It {benefit} and {second_benefit}.",
    "A favourite of ours: {noun} by {brand}, {variant}. It {benefit}.",
    "{brand} makes things for people who are particular, {noun} included. It {benefit}.",
    "From our {shelf} shelf: {noun}, {variant}. It {benefit}, and it {second_benefit}.",
)
"""Sentences about an item, with places for its words."""
