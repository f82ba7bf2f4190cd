"""The demo's mall: who sells what in it, who buys, who works there. All of it is invented."""

from dataclasses import dataclass
from typing import Any, Final

from merchantry.domain.checkout import Address
from merchantry.domain.permission import MerchantRole, PlatformRole
from merchantry.domain.settlement import Cycle

TIME_ZONE: Final = "America/Sao_Paulo"
PLAN_NAME: Final = "standard"
MAIN: Final = "casa-jequi"
"""The merchant whose whole staff has accounts."""

PLAN: Final[dict[str, Any]] = {
    "name": "Standard terms",
    "currency": "BRL",
    "base": "goods",
    "hold_days": 7,
    "default": {"rate_bps": 1200},
    "product_categories": {
        "audio": {"rate_bps": 1000, "cap_minor": {"BRL": 6000, "USD": 1200}},
        "coffee": {"rate_bps": 900, "floor_minor": {"BRL": 300, "USD": 60}},
        "groceries": {"rate_bps": 800, "floor_minor": 150},
        "books": {"rate_bps": 1000, "fixed_minor": 100},
        "skincare": {"rate_bps": 1550},
    },
    "merchant_categories": {"fashion": {"rate_bps": 1400}},
    "merchants": {"trilha-acima": {"rate_bps": 725, "product_categories": {"camping": {"rate_bps": 650}}}},
}

WELCOME: Final = "BEM-VINDO"
"""The platform's coupon: 5 % of everything, at most 30.00."""
OWN_COUPON: Final = "JEQUI10"
"""The main merchant's coupon: 10 % of its own goods."""
TAXES: Final = (("", 1200), ("books", 0))
"""Sales tax inside all prices, by category, in basis points; invented like all else."""

CATEGORIES: Final = {
    "home": ("Home", None),
    "kitchen": ("Kitchen", "home"),
    "lighting": ("Lighting", "home"),
    "fashion": ("Fashion", None),
    "clothing": ("Clothing", "fashion"),
    "shoes": ("Shoes", "fashion"),
    "audio": ("Audio", None),
    "computing": ("Computing", None),
    "groceries": ("Groceries", None),
    "coffee": ("Coffee", "groceries"),
    "camping": ("Camping", None),
    "water-sports": ("Water sports", None),
    "skincare": ("Skin care", None),
    "books": ("Books", None),
    "toys": ("Toys", None),
}


@dataclass(frozen=True, slots=True)
class Item:
    """A product: its price in centavos, and the titles of its variants, each a tenth dearer than the one before."""

    title: str
    category: str
    price_minor: int
    variants: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Stall:
    """A merchant with its products."""

    slug: str
    name: str
    category: str
    cycle: Cycle
    items: tuple[Item, ...]
    time_zone: str = TIME_ZONE
    sells_in_usd: bool = False


def _items(category: str, *rows: tuple[str, int, str]) -> tuple[Item, ...]:
    return tuple(Item(title, category, price, tuple(variants.split("/"))) for title, price, variants in rows)


STALLS: Final = (
    Stall(
        MAIN,
        "Casa Jequi",
        "home",
        Cycle.WEEKLY,
        _items(
            "kitchen",
            ("Cauda stoneware bowl", 6890, "Small/Medium/Large"),
            ("Jatobá chopping board", 11900, "One size"),
            ("Dois Rios kettle", 18990, "Red/Black"),
            ("Linen tea towels, set of three", 5490, "Sand/Blue"),
        )
        + _items("lighting", ("Vagalume table lamp", 21900, "Warm/Neutral")),
    ),
    Stall(
        "luz-de-barro",
        "Luz de Barro",
        "home",
        Cycle.WEEKLY,
        _items(
            "lighting",
            ("Moringa pendant", 34900, "Terracotta/White"),
            ("Lamparina wall light", 18900, "One size"),
            ("Clay candle holder", 3990, "Pair/Set of four"),
            ("Cupim floor lamp", 52900, "One size"),
        )
        + _items("kitchen", ("Barro water filter", 28900, "4 litres/8 litres")),
    ),
    Stall(
        "trama-viva",
        "Trama Viva",
        "fashion",
        Cycle.WEEKLY,
        _items(
            "clothing",
            ("Brisa shirt", 15900, "S/M/L"),
            ("Maré dress", 24900, "S/M/L"),
            ("Serra jumper", 28900, "M/L"),
            ("Varanda trousers", 19900, "38/40/42"),
            ("Rede scarf", 8990, "One size"),
        ),
    ),
    Stall(
        "passo-manso",
        "Passo Manso",
        "fashion",
        Cycle.MONTHLY,
        _items(
            "shoes",
            ("Areia sandals", 12990, "36/38/40"),
            ("Pedra boots", 38900, "38/40/42"),
            ("Calçada trainers", 27900, "37/39/41"),
            ("Rede slippers", 6990, "One size"),
            ("Ginga loafers", 31900, "38/41"),
        ),
    ),
    Stall(
        "volt-sabia",
        "Volt Sabiá",
        "electronics",
        Cycle.DAILY,
        _items(
            "audio",
            ("Sabiá headphones", 45900, "Black/Silver"),
            ("Bem-te-vi speaker", 62900, "One size"),
            ("Grilo earbuds", 23900, "White/Green"),
            ("Cigarra amplifier", 128900, "One size"),
            ("Coruja microphone", 35900, "One size"),
        ),
        time_zone="America/New_York",
        sells_in_usd=True,
    ),
    Stall(
        "pixel-caju",
        "Pixel Caju",
        "electronics",
        Cycle.WEEKLY,
        _items(
            "computing",
            ("Caju keyboard", 31900, "ABNT2/International"),
            ("Castanha mouse", 12900, "One size"),
            ("Folha tablet stand", 7990, "One size"),
            ("Raiz dock", 54900, "One size"),
            ("Galho cable, braided", 3490, "1 m/2 m"),
        ),
    ),
    Stall(
        "horta-farta",
        "Horta Farta",
        "food",
        Cycle.DAILY,
        _items(
            "groceries",
            ("Orange blossom honey", 3290, "300 g/600 g"),
            ("Cassava flour, toasted", 1290, "500 g/1 kg"),
            ("Cashew butter", 2890, "One jar"),
            ("Pepper jam", 2190, "Mild/Hot"),
            ("Dried mango", 1890, "100 g"),
        ),
        time_zone="America/Manaus",
    ),
    Stall(
        "grao-sereno",
        "Grão Sereno",
        "food",
        Cycle.WEEKLY,
        _items(
            "coffee",
            ("Neblina coffee", 4590, "Beans/Ground"),
            ("Cerração espresso", 5290, "Beans/Ground"),
            ("Orvalho decaf", 4990, "Ground"),
            ("Garoa drip bags", 3590, "Ten/Thirty"),
        )
        + _items("kitchen", ("Cloth coffee filter", 1990, "Small/Large")),
        sells_in_usd=True,
    ),
    Stall(
        "trilha-acima",
        "Trilha Acima",
        "sports",
        Cycle.MONTHLY,
        _items(
            "camping",
            ("Mirante tent for two", 89900, "One size"),
            ("Serração sleeping bag", 42900, "Regular/Long"),
            ("Picada rucksack", 36900, "35 litres/50 litres"),
            ("Fagulha stove", 21900, "One size"),
            ("Clareira lantern", 9990, "One size"),
        ),
    ),
    Stall(
        "onda-curta",
        "Onda Curta",
        "sports",
        Cycle.WEEKLY,
        _items(
            "water-sports",
            ("Marola bodyboard", 24900, "38 in/41 in"),
            ("Recife fins", 15900, "S/M/L"),
            ("Restinga rash vest", 13900, "S/M/L"),
            ("Maré dry bag", 8990, "10 litres/20 litres"),
            ("Lagoa goggles", 6490, "Clear/Smoke"),
        ),
    ),
    Stall(
        "flor-de-brisa",
        "Flor de Brisa",
        "beauty",
        Cycle.WEEKLY,
        _items(
            "skincare",
            ("Andiroba balm", 3990, "30 g/60 g"),
            ("Cupuaçu butter", 5490, "One jar"),
            ("Buriti face oil", 7990, "15 ml/30 ml"),
            ("Clay soap", 1690, "White/Green/Rose"),
            ("Capim-limão mist", 4290, "One size"),
        ),
    ),
    Stall(
        "letra-miuda",
        "Letra Miúda",
        "books",
        Cycle.WEEKLY,
        _items(
            "books",
            ("The Island of Small Trains", 5990, "Paperback/Hardback"),
            ("A Field Guide to Clouds", 8490, "Hardback"),
            ("Recipes for Rainy Days", 6990, "Paperback"),
        )
        + _items("toys", ("Wooden tram", 7990, "Yellow/Green"), ("Night sky puzzle", 9490, "500 pieces/1000 pieces")),
    ),
)


@dataclass(frozen=True, slots=True)
class Buyer:
    """Somebody who buys, and where it is sent."""

    email: str
    address: Address


def _buyer(name: str, street: str, city: str, postal_code: str) -> Buyer:
    return Buyer(f"{name.split()[0].lower()}@buyers.example", Address(name, street, city, postal_code, "BR"))


BUYERS: Final = (
    _buyer("Anaya Torquato", "Rua das Pipas 12", "São Paulo", "01000-012"),
    _buyer("Benvinda Sales", "Rua do Coreto 340", "Campinas", "13000-340"),
    _buyer("Cirilo Dantas", "Ladeira da Fonte 7", "Salvador", "40000-007"),
    _buyer("Dalila Moura", "Avenida dos Ipês 1502", "Belo Horizonte", "30000-150"),
    _buyer("Evaldo Pires", "Rua da Balsa 88", "Manaus", "69000-088"),
    _buyer("Florinda Reis", "Rua do Sino 25", "Recife", "50000-025"),
    _buyer("Getulino Prado", "Travessa do Moinho 3", "Porto Alegre", "90000-003"),
    _buyer("Heloisa Campos", "Rua da Romã 610", "Curitiba", "80000-610"),
)


def sku_of(stall: Stall, product: int, variant: int) -> str:
    """The SKU of a variant; both positions count from 0."""
    return f"{stall.slug[:3].upper()}-{product + 1:02d}-{variant + 1}"


def skus_of(stall: Stall) -> list[str]:
    """All of a merchant's SKUs, in their order."""
    items = enumerate(stall.items)
    return [sku_of(stall, product, variant) for product, item in items for variant in range(len(item.variants))]


def owner_of(slug: str) -> str:
    """The address of a merchant's owner."""
    return f"owner@{slug}.example"


STAFF: Final = {f"{role.value}@{MAIN}.example": role for role in MerchantRole}
PLATFORM_STAFF: Final = {f"{role.value}@mall.example": role for role in PlatformRole}


def everybody() -> list[str]:
    """The addresses of all accounts."""
    owners = [owner_of(stall.slug) for stall in STALLS]
    return sorted({*owners, *STAFF, *PLATFORM_STAFF, *(buyer.email for buyer in BUYERS)})
