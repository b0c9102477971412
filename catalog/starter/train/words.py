"""Word lists the training schemas and questions are assembled from, all written for this project."""

from __future__ import annotations


def listed(text: str) -> list[str]:
    """Return the words of a text."""
    return text.split()


# Singular nouns that can name a table. The held-out ones never occur in training.
ENTITIES: list[str] = listed("""
user customer order product employee invoice student teacher course book author
movie actor director artist album song playlist city country region state branch
store shop supplier vendor warehouse shipment payment transaction account bank loan
card client project task ticket issue comment post article page blog forum thread
message email contact lead campaign event venue booking reservation guest hotel room
flight airport airline pilot passenger trip route vehicle truck driver bus train
station stop line ship port container cargo device sensor reading alert log session
visit click view search query report document file folder image photo video channel
subscriber subscription plan feature coupon discount cart item category brand model
review rating vote survey question answer response exam grade class school
university department faculty professor lecture semester enrollment doctor patient
nurse hospital clinic appointment prescription medicine drug disease symptom test
result sample experiment study paper journal citation patent inventor company firm
agency office team member player coach match game season league tournament score goal
stadium club race runner athlete medal sport recipe ingredient dish menu restaurant
chef waiter meal table drink wine beer coffee farm farmer crop field animal cow horse
dog cat pet owner breed tree plant flower garden forest park trail mountain river
lake bridge road street building apartment house tenant landlord lease contract
property agent offer bid auction buyer seller asset stock fund trader trade portfolio
policy claim insurer budget expense salary bonus shift schedule calendar meeting
attendee conference speaker talk workshop sponsor donor donation charity volunteer
candidate election voter party district court judge lawyer case crime officer prison
soldier unit base mission satellite rocket planet star galaxy telescope observatory
museum painting exhibit sculpture gallery theater play concert band instrument
festival library loaner borrower publisher magazine edition chapter language
dictionary translation package release version bug commit branchpoint repository
developer server host cluster node container image database backup domain website
cookie token role permission group tag label note reminder habit goal workout
exercise gym trainer bike scooter rental garage mechanic repair part machine factory
worker batch inspection defect tool material order_line purchase refund return
complaint warranty delivery courier parcel address locker pallet bin zone forecast
storm earthquake volcano island beach resort cruise tour guide ticket_sale voucher
""")
ENTITIES = [word for word in ENTITIES if "_" not in word]

HELDOUT_ENTITIES: list[str] = listed("""
musician nomination pharmacy laptop kitchen freight tariff glacier orchard beekeeper
puppet monastery violin submarine dentist bakery pizza sandwich wrestler ferry
archive podcast episode webinar broker mortgage deposit stamp coin fossil dinosaur
crater comet lantern candle carpet furniture chair sofa wallet jacket shoe perfume
pollutant reservoir turbine battery charger modem router printer firmware keyboard
debtor tribunal verdict diplomat embassy visa passport census household sibling
spouse wedding funeral choir opera ballet dancer juggler circus zoo aquarium penguin
""")

MODIFIERS: list[str] = listed("""
customer order product user client sales main home old new daily monthly weekly
annual total internal external public private local global regional national primary
secondary billing shipping payment account web mobile online store branch school
medical legal social event team staff support service stock supply energy water
power media music film sport travel food health market group field lab test data
archive active current past final draft master sub super partner vendor parent child
""")

# Columns by the kind of value they hold (snake case; other spellings are derived).
TEXT_COLUMNS: list[str] = listed("""
first_name last_name full_name username nickname email phone
address street postcode zip language gender occupation job_title department team
position level grade brand model color colour size material style genre type kind
description summary notes comment subject body url website code sku serial_number
currency payment_method priority source channel platform browser device
manufacturer supplier publisher author director artist composer owner manager
assignee reviewer instructor coach captain agent driver breed species habitat
nationality religion party industry sector field major degree section unit format
license version environment severity label slug tag topic theme season weekday shift
location venue room building floor_plan terminal gate origin destination carrier
shape texture flavor cuisine diet allergy blood_group symptom diagnosis treatment
operator sponsor outcome reason remark title_text headline caption keyword domain
hostname ip_address file_name extension mime_type encoding protocol
""")

LABEL_COLUMNS: list[str] = ["name", "name", "name", "name", "title", "title", "full_name"]

PLACE_COLUMNS: list[str] = listed("city country state region town district province home_town county continent")
STATUS_COLUMNS: list[str] = ["status", "status", "state", "order_status", "stage", "condition", "phase"]
CATEGORY_COLUMNS: list[str] = listed("category genre type department section class group_name team division segment")

INT_COLUMNS: list[str] = listed("""
quantity stock age year capacity population points score rank level seats pages
views likes clicks visits downloads votes goals assists wins losses rating_count
credits hours minutes days floor rooms bedrooms beds doors passengers attendance
members employees students followers subscribers copies_sold items units
stock_quantity calories servings attempts errors retries version_number port
experience_years founded_year release_year birth_year laps rounds matches_played
horsepower mileage reputation reviews shares comments_count budget_year zip_count
""")

REAL_COLUMNS: list[str] = listed("""
price salary amount cost total balance weight height width length distance
temperature rating score duration discount tax revenue profit budget fee rate area
speed depth volume unit_price total_amount total_price net_worth market_value income
bonus commission interest_rate percentage humidity pressure latitude longitude
elevation energy power voltage payment rent deposit_amount refund_amount margin
gross_sales tuition gpa wage premium payout fare shipping_cost list_price
""")

HELDOUT_TEXT: list[str] = listed("""
surname mascot dialect pigment fragrance fabric motto alias guild clan dynasty
hairstyle cockpit_code anthem sigil payer lessee hemisphere drainage_basin parish
""")
HELDOUT_INT: list[str] = listed("""
headcount petals wingspan lumens karma stamina vertices pageviews footfall
upvotes parking_spots tonnage_class kilometers circulation dependents
""")
HELDOUT_REAL: list[str] = listed("""
turnover acidity salinity viscosity stipend surcharge toll wattage torque
luminosity density royalty overdraft carbon_footprint wing_load yield_rate
""")

# (stem, participle, mode): mode "a" = "users signed up in May", "p" = "orders were shipped".
DATE_VERBS: list[tuple[str, str, str]] = [
    ("signup", "signed up", "a"),
    ("sign_up", "signed up", "a"),
    ("registration", "registered", "a"),
    ("registered", "registered", "a"),
    ("join", "joined", "a"),
    ("joined", "joined", "a"),
    ("created", "created", "p"),
    ("creation", "created", "p"),
    ("updated", "updated", "p"),
    ("order", "ordered", "p"),
    ("ordered", "ordered", "p"),
    ("order", "placed", "p"),
    ("hire", "hired", "p"),
    ("hired", "hired", "p"),
    ("birth", "born", "p"),
    ("start", "started", "a"),
    ("started", "started", "a"),
    ("end", "ended", "a"),
    ("release", "released", "p"),
    ("released", "released", "p"),
    ("publication", "published", "p"),
    ("published", "published", "p"),
    ("ship", "shipped", "p"),
    ("shipped", "shipped", "p"),
    ("shipping", "shipped", "p"),
    ("delivery", "delivered", "p"),
    ("delivered", "delivered", "p"),
    ("payment", "paid", "p"),
    ("paid", "paid", "p"),
    ("purchase", "purchased", "p"),
    ("purchased", "purchased", "p"),
    ("sale", "sold", "p"),
    ("sold", "sold", "p"),
    ("opened", "opened", "p"),
    ("opening", "opened", "a"),
    ("closed", "closed", "p"),
    ("closing", "closed", "a"),
    ("cancelled", "cancelled", "p"),
    ("approval", "approved", "p"),
    ("approved", "approved", "p"),
    ("sent", "sent", "p"),
    ("received", "received", "p"),
    ("booking", "booked", "p"),
    ("booked", "booked", "p"),
    ("departure", "departed", "a"),
    ("arrival", "arrived", "a"),
    ("arrived", "arrived", "a"),
    ("visit", "visited", "a"),
    ("built", "built", "p"),
    ("founded", "founded", "p"),
    ("expiry", "expired", "a"),
    ("expires", "expired", "a"),
    ("graduation", "graduated", "a"),
    ("death", "died", "a"),
    ("enrollment", "enrolled", "a"),
    ("enrolled", "enrolled", "a"),
    ("issue", "issued", "p"),
    ("issued", "issued", "p"),
    ("upload", "uploaded", "p"),
    ("uploaded", "uploaded", "p"),
    ("posted", "posted", "p"),
    ("submitted", "submitted", "p"),
    ("submission", "submitted", "p"),
    ("completion", "completed", "p"),
    ("completed", "completed", "p"),
    ("resolved", "resolved", "p"),
    ("return", "returned", "p"),
    ("returned", "returned", "p"),
    ("assigned", "assigned", "p"),
    ("admission", "admitted", "p"),
    ("discharge", "discharged", "p"),
    ("renewal", "renewed", "p"),
    ("launch", "launched", "p"),
    ("launched", "launched", "p"),
    ("inspection", "inspected", "p"),
    ("repaired", "repaired", "p"),
    ("installed", "installed", "p"),
    ("activated", "activated", "p"),
    ("deleted", "deleted", "p"),
    ("modified", "modified", "p"),
    ("verified", "verified", "p"),
    ("invited", "invited", "p"),
    ("played", "played", "p"),
    ("manufactured", "manufactured", "p"),
    ("produced", "produced", "p"),
    ("recorded", "recorded", "p"),
    ("last_login", "last logged in", "a"),
    ("login", "logged in", "a"),
    ("checkin", "checked in", "a"),
    ("check_out", "checked out", "a"),
    ("due", "due", "d"),
    ("scheduled", "scheduled", "p"),
    ("retired", "retired", "a"),
    ("left", "left", "a"),
    ("promoted", "promoted", "p"),
]
HELDOUT_DATE_VERBS: list[tuple[str, str, str]] = [
    ("baptism", "baptised", "p"),
    ("engraved", "engraved", "p"),
    ("archived", "archived", "p"),
    ("harvest", "harvested", "p"),
    ("refuelled", "refuelled", "p"),
    ("adopted", "adopted", "p"),
    ("mailed", "mailed", "p"),
    ("translated", "translated", "p"),
    ("resigned", "resigned", "a"),
    ("vanished", "vanished", "a"),
]
PLAIN_DATE_COLUMNS: list[str] = listed("date event_date timestamp deadline day birthday transaction_date due_date")

FLAGS: list[str] = listed("""
active deleted verified paid public available archived featured enabled approved shipped
premium admin visible urgent open closed completed subscribed married retired remote
locked expired refundable billable taxable electric organic
""")
HELDOUT_FLAGS: list[str] = listed("haunted dormant insured fragile sponsored waterproof")

# Value pools.
PLACES: list[str] = [
    *listed("""
Berlin Paris London Madrid Rome Vienna Prague Oslo Lisbon Dublin Tokyo Kyoto Delhi
Mumbai Cairo Lagos Nairobi Lima Bogota Toronto Boston Chicago Seattle Denver Austin
Dallas Miami Sydney Perth Seoul Beijing Shanghai Singapore Hamburg Munich Cologne
Geneva Zurich Milan Naples Lyon Nice Porto Athens Warsaw Krakow Budapest Germany
France Spain Italy Japan China India Brazil Mexico Canada Kenya Egypt Norway Sweden
Finland Poland Portugal Ireland Greece Texas Ohio California Nevada Utah Florida
"""),
    "New York",
    "San Francisco",
    "Los Angeles",
    "Hong Kong",
    "Rio de Janeiro",
    "United States",
    "South Africa",
    "New Zealand",
    "Cote d'Ivoire",
    "St. John's",
    "Buenos Aires",
    "USA",
    "UK",
]
PEOPLE: list[str] = listed("""
Alice Bob Carol David Emma Frank Grace Hannah Ivan Julia Karl Laura Marie Nina Oscar
Paul Quentin Rosa Sara Tom Uma Victor Wendy Xavier Yusuf Zoe Ahmed Chen Diego Fatima
Giulia Hiro Ingrid Jonas Kofi Lucia Mateo Noor Olga Priya
""")
SURNAMES: list[str] = listed("""
Smith Jones Brown Miller Davis Garcia Martin Silva Rossi Weber Fischer Novak Kim Lee
Tanaka Singh Patel Khan Hansen Larsen Moreau Dubois O'Brien O'Neill D'Angelo Lopez
McDonald Ivanov Kowalski Nguyen
""")
CATEGORIES: list[str] = [
    *listed("""
Books Electronics Clothing Toys Sports Music Garden Food Furniture Health Beauty
Sales Marketing Engineering Finance Legal Support Operations Research Design Drama
Comedy Action Horror Jazz Rock Pop Classical History Math Physics Biology Chemistry
Art Fiction Travel Business Science Fantasy Basic Gold Silver Platinum Standard
"""),
    "Science Fiction",
    "Human Resources",
    "Home & Kitchen",
    "Office Supplies",
    "Children's Books",
    "Customer Service",
    "Pet Care",
    "Men's Wear",
]
STATUSES: list[str] = listed("""
active inactive pending shipped cancelled completed open closed paid unpaid failed
delivered processing approved rejected draft published archived new returned refunded
blocked suspended confirmed overdue expired sold available reserved
""")
MISC: list[str] = listed("""
red blue green black white small medium large cotton wood steel glass plastic gold
silver visa cash paypal chrome firefox android windows linux english french german
spanish summer winter north south east west high low urgent normal alpha beta gamma
delta morning evening monday friday square round sweet spicy vegan male female day
night fast slow public private json csv
""")
MONTHS: list[str] = listed("""January February March April May June July August September October November December""")
