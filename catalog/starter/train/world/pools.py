"""Values that columns hold: lists written for this project, names put together of parts, and words nobody has seen."""

# One pool after another, however long.
# ruff: noqa: E501
# fmt: off

from __future__ import annotations

import random

from catalog.starter.train import identifiers, words

NOVEL_SHARE = 0.12  # of values that are made-up words, so that their place decides and not the word


def parts(text: str) -> list[str]:
    """The entries of a text, separated by commas."""
    return [" ".join(part.split()) for part in text.split(",")]


LISTS: dict[str, list[str]] = {
    "city": parts("""Dublin, Oslo, Lisbon, Madrid, Paris, Lyon, Berlin, Hamburg, Munich, Vienna, Graz, Zurich, Geneva, Rome,
Milan, Turin, Naples, Athens, Prague, Warsaw, Krakow, Budapest, Bucharest, Sofia, Zagreb, Belgrade, Helsinki, Stockholm,
Copenhagen, Bergen, Amsterdam, Utrecht, Rotterdam, Brussels, Antwerp, Ghent, London, Leeds, Bristol, Manchester, Glasgow,
Edinburgh, Cardiff, Belfast, Cork, Galway, Porto, Seville, Valencia, Barcelona, Boston, Chicago, Denver, Seattle, Austin,
Dallas, Houston, Miami, Atlanta, Portland, Phoenix, Toronto, Montreal, Vancouver, Calgary, Lima, Bogota, Quito, Santiago,
Buenos Aires, Sao Paulo, Mexico City, Cairo, Lagos, Nairobi, Accra, Cape Town, Tunis, Rabat, Mumbai, Delhi, Pune, Chennai,
Tokyo, Osaka, Kyoto, Seoul, Busan, Taipei, Manila, Hanoi, Bangkok, Jakarta, Sydney, Perth, Brisbane, Auckland, New York,
San Diego, Salt Lake City, The Hague, Tallinn, Riga, Vilnius, Reykjavik, Malmo, Aarhus, Basel, Bonn, Cologne, Leipzig"""),
    "country": parts("""Ireland, Norway, Portugal, Spain, France, Germany, Austria, Switzerland, Italy, Greece, Poland, Hungary,
Romania, Bulgaria, Croatia, Serbia, Finland, Sweden, Denmark, Netherlands, Belgium, Iceland, Estonia, Latvia, Canada,
Mexico, Brazil, Chile, Peru, Colombia, Argentina, Egypt, Nigeria, Kenya, Ghana, Morocco, India, Japan, China, Vietnam,
Thailand, Indonesia, Australia, New Zealand, USA, UK, South Korea, South Africa, Turkey, Ukraine"""),
    "country_code": parts("IE, NO, PT, ES, FR, DE, AT, CH, IT, GR, PL, HU, US, UK, CA, MX, BR, JP, IN, SE, FI, DK, NL, BE"),
    "nationality": parts("""Irish, Norwegian, Portuguese, Spanish, French, German, Austrian, Swiss, Italian, Greek, Polish,
Hungarian, Swedish, Danish, Dutch, Belgian, Canadian, Mexican, Brazilian, Indian, Japanese, Chinese, Kenyan, Turkish"""),
    "region": parts("North, South, East, West, Central, Northeast, Northwest, Southeast, Southwest, Coast, Highlands, EMEA, APAC"),
    "district": parts("""Old Town, Harbour, Riverside, Hillside, Westend, Eastgate, Northfield, Southbank, Market Square,
Chinatown, Parkside, Lakeview, Docklands, Midtown, Greenwood"""),
    "department": parts("""Sales, Marketing, Finance, Engineering, Legal, Support, Research, Operations, Purchasing, Logistics,
Production, Quality, Security, Facilities, Training, Design, Human Resources, Accounting, IT, Customer Service, Payroll"""),
    "faculty": parts("""Physics, Chemistry, Biology, History, Mathematics, Economics, Philosophy, Law, Medicine, Music, Art,
Geography, Computer Science, Linguistics, Psychology, Sociology, Architecture, Literature, Astronomy, Statistics"""),
    "job": parts("""nurse, engineer, teacher, driver, cook, clerk, manager, analyst, designer, technician, accountant, lawyer,
electrician, plumber, carpenter, cashier, cleaner, guard, developer, tester, architect, consultant, secretary, buyer,
trainer, editor, pilot, surgeon, librarian, welder, baker, gardener, waiter, porter, receptionist, director, planner"""),
    "medical": parts("""cardiology, neurology, oncology, dermatology, pediatrics, radiology, surgery, psychiatry, urology,
orthopedics, gynecology, ophthalmology, dentistry, anesthesiology, endocrinology"""),
    "color": parts("""red, blue, green, black, white, yellow, orange, purple, pink, brown, grey, silver, gold, beige, navy,
turquoise, crimson, ivory, olive"""),
    "material": parts("""steel, wood, oak, pine, glass, plastic, cotton, wool, leather, aluminium, copper, brass, bronze, marble,
silk, linen, paper, rubber, ceramic, carbon, titanium, concrete, bamboo"""),
    "size": parts("small, medium, large, extra large, S, M, L, XL, XXL, tiny, compact, full"),
    "goods": parts("""electronics, books, toys, furniture, clothing, shoes, garden, kitchen, sports, beauty, grocery, office,
tools, jewelry, music, pets, outdoor, lighting, stationery, bedding, hardware, snacks, drinks, bakery, dairy, fruit"""),
    "genre": parts("""comedy, drama, thriller, horror, romance, fantasy, mystery, documentary, western, animation, crime,
adventure, science fiction, biography, poetry, history, satire, action, musical, war"""),
    "music": parts("jazz, rock, pop, folk, blues, soul, metal, punk, techno, opera, reggae, country, hip hop, classical, funk"),
    "language": parts("""English, French, German, Spanish, Italian, Portuguese, Dutch, Polish, Russian, Turkish, Arabic, Hindi,
Japanese, Chinese, Korean, Swedish, Greek, Latin, Danish, Finnish"""),
    "status": parts("""open, closed, pending, cancelled, shipped, delivered, paid, unpaid, approved, rejected, draft, completed,
failed, in progress, on hold, archived, confirmed, refunded, returned, expired, new, processing, overdue, resolved"""),
    "state": parts("active, inactive, suspended, retired, blocked, available, occupied, broken, in repair, reserved, offline, online"),
    "priority": parts("low, medium, high, urgent, critical, normal"),
    "severity": parts("minor, major, critical, fatal, mild, moderate, severe"),
    "payment": parts("cash, card, credit card, debit card, bank transfer, PayPal, invoice, voucher, cheque, crypto, wire"),
    "shipping": parts("express, standard, overnight, courier, pickup, air, sea, road, rail, economy"),
    "plan": parts("free, basic, premium, standard, pro, enterprise, trial, gold, silver, platinum, bronze, student, family"),
    "gender": parts("male, female, M, F, other"),
    "animal": parts("dog, cat, horse, rabbit, parrot, hamster, goat, sheep, cow, pig, turtle, snake, owl, donkey, duck, otter"),
    "breed": parts("beagle, poodle, collie, siamese, persian, labrador, terrier, spaniel, husky, boxer, merino, angus, arabian"),
    "room": parts("single, double, suite, twin, family, studio, deluxe, penthouse, dormitory, standard"),
    "building": parts("house, apartment, villa, studio, cottage, loft, office, bungalow, duplex, cabin, warehouse, garage"),
    "vehicle": parts("car, truck, van, bus, bike, scooter, tram, motorcycle, trailer, minivan, pickup, tractor"),
    "fuel": parts("diesel, petrol, electric, hybrid, gas, hydrogen"),
    "brand": parts("""Acme, Volta, Nimbus, Orion, Zenith, Kestrel, Lumen, Borealis, Fjord, Tundra, Pico, Maple, Granit, Solis,
Arko, Delphi, Vento, Quill, Brisa, Norda, Alto, Cobalt, Ferra, Juno, Kappa, Lyra, Mira, Onyx, Polar, Rado"""),
    "cuisine": parts("Italian, Thai, Indian, Mexican, French, Greek, Japanese, Chinese, Lebanese, Korean, Vietnamese, Spanish, vegan"),
    "sport": parts("football, tennis, rugby, hockey, chess, swimming, boxing, golf, rowing, cycling, judo, handball, fencing, yoga"),
    "position": parts("goalkeeper, defender, striker, midfielder, pitcher, guard, center, forward, captain, winger, catcher"),
    "sensor": parts("temperature, humidity, pressure, motion, light, sound, smoke, wind, rain, vibration, flow, power"),
    "unit": parts("celsius, fahrenheit, percent, pascal, bar, volt, watt, ampere, lux, decibel, meter, liter, kg"),
    "weather": parts("sunny, cloudy, rainy, windy, foggy, snowy, stormy, clear, icy"),
    "subject": parts("""math, physics, biology, history, art, music, geography, chemistry, english, economics, sports, latin,
programming, drama, ethics"""),
    "grade": parts("A, B, C, D, E, F"),
    "blood": parts("A+, A-, B+, B-, AB+, AB-, O+, O-"),
    "disease": parts("flu, asthma, diabetes, migraine, anemia, measles, arthritis, bronchitis, allergy, malaria, hepatitis, eczema"),
    "insurer": parts("Aetna, Allianz, Axa, Helvetia, Generali, Zurich Life, MediPlus, CarePoint, Unity, BlueSky, SafeHands"),
    "airline": parts("Lufthansa, KLM, Iberia, Finnair, Qantas, Emirates, SkyJet, AirNova, BlueWings, NordAir"),
    "carrier": parts("DHL, UPS, FedEx, GLS, TNT, PostNord, Hermes, RapidGo, CityPost"),
    "channel": parts("email, phone, web, chat, store, mobile, social, fax, mail, referral, newsletter"),
    "event": parts("concert, workshop, conference, seminar, exhibition, festival, lecture, webinar, meetup, auction, tour, gala"),
    "month": words.MONTHS,
    "weekday": parts("Monday, Tuesday, Wednesday, Thursday, Friday, Saturday, Sunday"),
    "shift": parts("morning, evening, night, day, early, late, weekend"),
    "education": parts("bachelor, master, doctorate, diploma, high school, apprenticeship"),
    "currency": parts("USD, EUR, GBP, JPY, CHF, SEK, NOK, DKK, PLN, CAD, AUD"),
    "format": parts("pdf, csv, mp3, mp4, png, jpg, docx, xlsx, zip, html"),
    "binding": parts("hardcover, paperback, ebook, audiobook, magazine"),
    "browser": parts("Chrome, Firefox, Safari, Edge, Opera"),
    "system": parts("Windows, Linux, macOS, Android, iOS, FreeBSD"),
    "license": parts("MIT, Apache, GPL, BSD, proprietary"),
    "crop": parts("wheat, corn, rice, barley, potato, soy, oats, rye, cotton, sunflower, apple, grape"),
    "soil": parts("clay, sand, loam, peat, chalk, silt"),
    "wine": parts("Merlot, Riesling, Malbec, Syrah, Chardonnay, Pinot Noir, Tempranillo, Sauvignon Blanc"),
    "instrument": parts("violin, piano, guitar, cello, flute, drums, trumpet, harp, saxophone, clarinet, bass"),
    "source": parts("website, referral, advertisement, trade fair, partner, search engine, event, cold call"),
    "rank": parts("junior, senior, lead, principal, intern, trainee, assistant, associate, chief"),
    "contract": parts("permanent, temporary, freelance, part-time, full-time, seasonal"),
    "reason": parts("damaged, wrong size, late, defective, duplicate, fraud, too expensive, no longer needed, sick leave, holiday"),
}  # fmt: skip
FIRST: list[str] = (
    parts("""Ada, Ben, Cleo, Dan, Eve, Finn, Grace, Hugo, Iris, Jack, Kira, Liam, Maya, Noah, Olga, Paul, Quinn, Rosa,
Sam, Tara, Umar, Vera, Will, Xenia, Yusuf, Zoe, Alice, Bruno, Clara, David, Elena, Frank, Gina, Henry, Ines, Jonas, Karin,
Leo, Marta, Nils, Oscar, Petra, Ravi, Sofia, Tom, Ursula, Victor, Wanda, Yara, Anna, Boris, Carmen, Diego, Emma, Felix,
Greta, Hana, Ivan, Julia, Kofi, Laura, Mateo, Nadia, Omar, Priya, Robert, Sara, Tim, Ulla, Mary, John, James, Linda, Peter,
Susan, Michael, Karen, Thomas, Nancy, Daniel, Lucia, Kevin, Amira, Chen, Wei, Aiko, Kenji, Fatima, Hassan, Ingrid, Lars""")
)
LAST: list[str] = (
    parts("""Smith, Jones, Brown, Miller, Davis, Wilson, Moore, Taylor, Clark, Lewis, Walker, Hall, Young, King, Wright,
Green, Baker, Adams, Nelson, Carter, Mitchell, Turner, Parker, Collins, Murphy, Kelly, Byrne, Silva, Santos, Costa, Garcia,
Lopez, Martin, Dubois, Moreau, Rossi, Bianchi, Schmidt, Weber, Wagner, Becker, Novak, Kowalski, Nagy, Petrov, Ivanov,
Hansen, Olsen, Berg, Lund, Virtanen, Jansen, Bakker, Patel, Sharma, Khan, Ali, Chen, Wang, Kim, Park, Tanaka, Sato, Okafor,
Mensah, Mbeki, Haddad, Cohen, O'Brien, O'Neill, Ford, Stone, Fox, Reed, Hayes, West, Grant, Webb, Boyd, Lang, Roth, Vogel""")
)
ADJECTIVES: list[str] = (
    parts("""Blue, Silent, Golden, Broken, Last, Hidden, Red, Lost, Little, Great, Dark, Winter, Summer, Old, New,
Distant, Wild, Sweet, Cold, Bright, Deep, Empty, Secret, Long, White, Iron, Paper, Electric, Green, Quiet""")
)
NOUNS: list[str] = (
    parts("""River, Garden, House, Mountain, Road, Forest, Letter, Storm, Harbor, Mirror, Bridge, Island, Night, Dream,
Stone, Star, Window, Clock, Shadow, Song, Train, Field, Tower, Ocean, Lantern, Circle, Kingdom, Promise, Machine, Journey""")
)
ARTICLES: list[str] = (
    parts("""lamp, desk, chair, table, shelf, sofa, mug, kettle, pan, knife, phone, laptop, camera, speaker, cable,
backpack, jacket, shirt, boots, scarf, watch, ring, tent, rope, bottle, drill, hammer, ladder, brush, pen, notebook, ball,
racket, helmet, bike, printer, mouse, keyboard, monitor, blanket, pillow, towel, vase, clock, mirror, fan, heater, toaster""")
)
CONTACTS = frozenset({"email", "phone", "street", "sentence", "code"})  # pools of texts that are seldom asked for
REMARKS: list[str] = (
    parts("""very good, never again, arrived late, as expected, call back, to be checked, works well, too small, nice staff,
second reminder, see file, urgent, no comment, well done, needs repair, broken on arrival, will come again, paid in part""")
)
FIRMS: list[str] = parts(
    "Ltd, Inc, GmbH, Group, Partners, Labs, Systems, Foods, Logistics, Media, Bank, Works, Energy, Trading, & Sons"
)


def novel(rng: random.Random, heldout: bool) -> str:
    """A word, now and then two, that no list holds."""
    made = identifiers.novel_word(rng, heldout)
    if rng.random() < 0.12:
        made += " " + identifiers.novel_word(rng, heldout)
    roll = rng.random()
    return made.title() if roll < 0.6 else made.upper() if roll < 0.65 else made


def draw(rng: random.Random, pool: str, heldout: bool = False) -> str:
    """One value of a pool, as its list writes it."""
    if rng.random() < NOVEL_SHARE:
        return novel(rng, heldout)
    if pool in LISTS:
        return rng.choice(LISTS[pool])
    if pool == "person":
        return f"{rng.choice(FIRST)} {rng.choice(LAST)}"
    if pool == "first":
        return rng.choice(FIRST)
    if pool == "last":
        return rng.choice(LAST)
    if pool == "title":
        return rng.choice(("{a} {n}", "The {a} {n}", "{n} of {n2}", "The {n}", "{a} {n}s", "A {a} {n}")).format(
            a=rng.choice(ADJECTIVES), n=rng.choice(NOUNS), n2=rng.choice(NOUNS)
        )
    if pool == "article":
        made = rng.choice(ARTICLES)
        if rng.random() < 0.5:
            made = f"{rng.choice(LISTS[rng.choice(('color', 'material', 'size'))])} {made}"
        return made.title() if rng.random() < 0.4 else made
    if pool == "firm":
        first = rng.choice((rng.choice(LAST), rng.choice(LISTS["brand"]), rng.choice(NOUNS)))
        return f"{first} {rng.choice(FIRMS)}" if rng.random() < 0.8 else first
    if pool == "place":
        first = rng.choice((rng.choice(LISTS["city"]), rng.choice(ADJECTIVES), rng.choice(LAST)))
        return f"{first} {rng.choice(('Hall', 'Center', 'Park', 'Station', 'Hotel', 'Arena', 'Clinic', 'School', 'Plaza', 'Museum'))}"
    if pool == "code":
        letters = "".join(rng.choice("ABCDEFGHKLMNPRSTUVWX") for _ in range(rng.randint(1, 3)))
        return letters + rng.choice(("", "-", "")) + str(rng.randint(1, 999))
    if pool == "email":
        return f"{rng.choice(FIRST).lower()}@{rng.choice(LISTS['brand']).lower()}.{rng.choice(('com', 'org', 'net', 'example'))}"
    if pool == "phone":
        return f"{rng.choice(('+', '0', '555-'))}{rng.randint(100, 999)}{rng.choice((' ', '-', ''))}{rng.randint(10000, 9999999)}"
    if pool == "street":
        return f"{rng.randint(1, 240)} {rng.choice((*ADJECTIVES, *LAST))} {rng.choice(('Street', 'Road', 'Lane', 'Avenue'))}"
    if pool == "sentence":
        return rng.choice(REMARKS)
    if pool == "topic":
        return f"{rng.choice(('intro to', 'advanced', 'basic', 'applied', 'modern'))} {rng.choice(LISTS['faculty'])}".capitalize()
    raise KeyError(pool)
