"""Entities: what tables are of, the concepts that each can have, and what ties one to another."""

from __future__ import annotations

import zlib
from dataclasses import dataclass

# One entity to a line, however long.
# ruff: noqa: E501
# fmt: off

COMMON = frozenset(
    """employee customer order product department student teacher course book author patient doctor appointment room
    booking hotel guest store supplier user invoice payment project task ticket company movie song event member loan
    sensor reading flight vehicle car school class review category team player city country shipment item sale""".split()  # noqa: SIM905
)
HELDOUT_MODULUS = 14  # one noun in 14, chosen by its CRC-32, is kept for the held-out test


@dataclass(frozen=True)
class Entity:
    """A noun, how its rows are called, and what they have."""

    noun: str
    others: tuple[str, ...]
    is_person: bool
    label: str  # pool of the names of its rows; empty where they have none
    concepts: tuple[str, ...]

    @property
    def is_heldout(self) -> bool:
        """Whether it is met in the held-out test alone."""
        return not self.is_common and zlib.crc32(self.noun.encode()) % HELDOUT_MODULUS == 0

    @property
    def is_common(self) -> bool:
        """Whether many databases have a table of it."""
        return self.noun in COMMON


GROUPS: list[tuple[bool, str, str, str]] = [
    # is it of persons; pool of its names; nouns (=synonym); concepts
    (True, "person", "employee=staff member=worker colleague engineer technician agent=representative consultant developer manager clerk cleaner mechanic trainee",
     "city country department job salary salary age hired hired left born rank contract shift education manager email phone experience active remote hours country_code region company"),
    (True, "person", "customer=client=buyer client user=member member=person subscriber=user visitor contact=person lead guest=visitor donor sponsor partner",
     "city country region plan joined joined age born email phone points balance source channel language gender seen active member verified nationality company country_code payment rating"),
    (True, "person", "student=pupil pupil learner participant=attendee applicant candidate graduate apprentice", "city country faculty faculty subject mark age born score enrolled enrolled graduated email phone credits nationality gender active points language shift"),
    (True, "person", "teacher=instructor professor=lecturer lecturer trainer coach tutor", "subject faculty city salary experience age born hired email phone language nationality sport department rating left"),
    (True, "person", "patient=case doctor=physician nurse surgeon dentist therapist", "specialty specialty city blood gender age born diagnosis insurer doctor department email phone experience salary hired insured shift room_number weight height discharged note"),
    (True, "person", "player=athlete athlete runner swimmer referee jockey driver=chauffeur pilot rider", "sport position country city nationality age born height weight salary goals points speed experience joined left active license score"),
    (True, "person", "author=writer writer artist=performer singer musician actor director painter composer editor photographer", "country nationality city born age music genre instrument language revenue active gender views rating email"),
    (True, "person", "tenant=renter owner landlord borrower=reader reader passenger=traveler volunteer witness citizen voter", "city district age born phone email joined nationality balance gender insured active rent fine points"),
    (False, "", "order_item=line_item line_item order_line cart_item", "quantity quantity price price discount tax note created"),
    (False, "goods", "category product_category section", "created active note rank"),
    (False, "department", "department division", "city city district budget budget floor phone manager employees founded"),
    (False, "city", "city=town town village", "country country region population population area height founded temperature"),
    (False, "country", "country=nation", "region population population area area language currency country_code"),
    (False, "article", "product=item=article item article tool gadget toy garment machine device=unit part accessory", "goods goods price price stock stock weight color material size brand supplier rating created featured discontinued code discount country updated expires archived quantity note"),
    (False, "title", "book=title novel magazine comic textbook", "genre author author publisher language year year pages price rating copies binding published bought available stock code"),
    (False, "title", "movie=film film series documentary episode", "genre director director language country year duration rating revenue budget published views"),
    (False, "title", "song=track track album record playlist", "music artist artist language year duration views rating published price format"),
    (False, "title", "game=title app=application application website plugin library package", "genre brand system license year price rating views published updated language size active"),
    (False, "title", "painting sculpture exhibit photo artwork", "artist material year price height color venue country bought insured city"),
    (False, "firm", "company=firm=business firm supplier=vendor vendor publisher manufacturer agency bank insurer startup", "city country region goods employees revenue revenue founded rating email phone brand active contract joined"),
    (False, "place", "store=shop=branch shop branch=location office warehouse=depot factory restaurant=place cafe bakery pharmacy", "city city district region country area capacity employees rent rating opened built cuisine manager phone revenue active address"),
    (False, "place", "hotel=house hostel resort museum theater cinema stadium gym library_branch hospital=clinic clinic school=institution university", "city city country district capacity rating rooms employees founded built price fee phone active address accessible height"),
    (False, "code", "room=space apartment=flat flat house=property property villa office_space hall classroom", "room building floor floor capacity area rent rent rooms city district color available accessible built owner room_number"),
    (False, "", "order=purchase purchase sale invoice=bill bill transaction payment refund", "status status amount amount ordered ordered shipped delivered paid payment shipping customer channel country currency due paid_flag discount region code reason tax quantity note"),
    (False, "code", "shipment=parcel parcel delivery package_run consignment", "status carrier carrier shipping destination departure weight shipped delivered price city country due length insured urgent"),
    (False, "", "booking=reservation reservation stay rental lease", "status guest amount nights nights guests checked_in checked_in checked_out payment channel created room paid_flag cancelled"),
    (False, "", "appointment=visit visit consultation checkup examination", "status doctor patient reason scheduled scheduled duration fee room_number shift diagnosis cancelled paid weekday"),
    (False, "", "loan=checkout checkout_record borrowing hire_record", "borrowed borrowed returned returned due fine amount status duration owner"),
    (False, "", "enrollment=registration registration exam=test test submission result_entry assessment", "mark score score enrolled subject status fee happened credits approved paid_flag"),
    (False, "", "review=rating_entry feedback complaint comment survey_response vote", "rating rating status language created created channel severity approved reason verified points"),
    (False, "", "reading=measurement measurement sample observation log_entry alert=alarm", "reading reading measured measured unit status severity temperature humidity measure battery weather"),
    (False, "code", "sensor=device meter station gateway camera thermostat", "measure measure city venue unit brand state battery installed installed serviced serviced active floor price room_number"),
    (False, "code", "car=vehicle vehicle truck van bike=bicycle scooter bus train ship boat plane=aircraft", "brand color vehicle fuel fuel year mileage speed price capacity bought serviced state weight city insured owner length"),
    (False, "code", "flight trip=journey journey tour route cruise ride", "airline departure destination destination length duration price status happened capacity guests weekday cancelled"),
    (False, "title", "course=class class lecture workshop=session seminar training lesson", "subject subject faculty teacher teacher credits duration fee language capacity happened weekday online guests rank city rating"),
    (False, "title", "event=happening concert conference festival meeting match=game race exhibition", "event venue venue city country happened happened capacity guests price budget status cancelled online weekday sport duration"),
    (False, "title", "project=undertaking task=job campaign initiative sprint experiment", "status status priority manager assignee budget budget hours created due closed closed department approved urgent state"),
    (False, "title", "ticket=issue issue=problem bug incident request defect", "status status priority priority severity assignee channel opened opened closed closed hours reason urgent duration system"),
    (False, "first", "pet=animal animal dog cat horse cow", "species breed breed color gender age weight owner born born vaccinated height price bought diagnosis country"),
    (False, "article", "recipe=dish dish meal drink dessert", "cuisine cuisine price duration rating goods language size created featured weight guests"),
    (False, "title", "policy contract=agreement agreement claim subscription membership license_record", "status plan insurer owner amount fee created expires approved active reason duration currency payment"),
    (False, "firm", "team=group club committee faculty", "city sport country budget budget employees founded manager points region floor phone goals"),
    (False, "place", "state river mountain lake island park", "country region population population area area height length founded temperature rating language currency"),
    (False, "code", "field=plot farm garden greenhouse vineyard plant tree", "crop crop area height region city owner created humidity temperature age"),
    (False, "article", "medicine=drug drug treatment vaccine prescription", "dose dose price brand diagnosis stock expires expires approved created doctor discontinued format"),
    (False, "", "login=session session click message email_record call download request_log visit_log", "browser system channel duration created created country status size language city"),
    (False, "", "expense=cost cost donation salary_payment budget_item fine_record", "amount amount currency department reason paid paid approved payment created status goods tax"),
]


def _entities() -> list[Entity]:
    """Every noun of the groups."""
    found: dict[str, Entity] = {}
    for is_person, label, nouns, concepts in GROUPS:
        for entry in nouns.split():
            noun, *others = entry.split("=")
            said = tuple(other.replace("_", " ") for other in others)
            found.setdefault(noun, Entity(noun, said, is_person, label, tuple(concepts.split())))
    return list(found.values())


ENTITIES: list[Entity] = _entities()
# What tables often refer to, by the child's noun.
PARENTS: dict[str, tuple[str, ...]] = {
    child: tuple(parents.split())
    for child, parents in {
        "order_item": "order product", "line_item": "order product", "order_line": "order product", "order": "customer product employee store", "purchase": "customer supplier product", "sale": "customer product store employee",
        "invoice": "customer order supplier", "payment": "customer order invoice booking", "shipment": "order warehouse customer",
        "employee": "department company store office team", "book": "author publisher category library_branch", "loan": "member book reader borrower",
        "booking": "guest room customer flight", "reservation": "guest room restaurant customer", "room": "hotel building office", "appointment": "patient doctor",
        "visit": "patient doctor customer", "prescription": "patient doctor medicine", "treatment": "patient doctor", "reading": "sensor station device",
        "measurement": "sensor station", "sensor": "building room field", "alert": "sensor device", "student": "class school teacher", "enrollment": "student course",
        "exam": "student course", "course": "teacher department school", "class": "teacher school", "review": "customer product book movie hotel restaurant",
        "product": "supplier category brand store", "ticket": "customer agent project event", "task": "project employee", "project": "client department manager",
        "song": "artist album", "album": "artist", "movie": "director studio", "match": "team stadium player", "player": "team", "event": "venue city",
        "pet": "owner", "flight": "airline plane pilot", "trip": "driver vehicle customer", "vehicle": "driver company customer", "apartment": "owner house landlord",
        "lease": "tenant apartment", "expense": "employee project department", "department": "company", "store": "city company", "user": "team company plan",
        "comment": "user post article", "session": "user device", "message": "user customer", "claim": "policy customer", "donation": "donor project",
        "crop": "field farm", "field": "farm", "member": "club city", "doctor": "hospital department", "nurse": "hospital department", "patient": "doctor hospital",
        "teacher": "school department", "item": "order product", "delivery": "order driver", "city": "country", "restaurant": "city", "machine": "factory",
    }.items()
}
# How people say that a child belongs to its parent: "the orders (that) V placed", by the child's noun.
DONE: dict[str, str] = {
    "order": "place", "purchase": "make", "booking": "make", "reservation": "make", "payment": "make", "review": "write",
    "comment": "write", "loan": "take out", "ticket": "open", "issue": "report", "complaint": "make", "donation": "make",
    "visit": "make", "sale": "make", "book": "write", "song": "record", "album": "release", "movie": "direct", "message": "send",
    "call": "make", "submission": "hand in", "project": "lead", "course": "teach", "trip": "make", "claim": "file", "painting": "paint",
}
