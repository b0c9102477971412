"""Concepts: what a column can mean, how SQL spells it and how people speak of it, also without naming it.

Phrases are separated by `|`; one that ends in `@p` is said of persons alone, in `@t` of things alone. `{v}` is a value,
`{t}` the table in the plural, `{n}` a named row.
"""

from __future__ import annotations

from dataclasses import dataclass

# One concept to a line or two, however long.
# ruff: noqa: E501
# fmt: off


@dataclass(frozen=True)
class Concept:
    """One meaning: kind is text, int, real, date or flag."""

    key: str
    kind: str
    spellings: tuple[str, ...]
    spoken: tuple[str, ...]
    pool: str = ""  # of a text's values
    after: tuple[str, ...] = ()  # behind a noun: in {v}
    verb: tuple[str, ...] = ()  # behind "how many T": live in {v}
    before: bool = False  # a value stands before the noun: red bikes
    noun: bool = False  # a value in the plural stands for the noun: nurses
    asked: tuple[str, ...] = ()  # behind "which Cs": do {t} live in
    value: tuple[str, ...] = ()  # asks for a named row's value: where does {n} live
    top: float = 0.0  # of a number's values
    more: tuple[str, ...] = ()  # comparatives behind "that are"/"are": older than {v}
    less: tuple[str, ...] = ()
    does: tuple[tuple[str, str], ...] = ()  # verbs that take a number: cost, costs
    most: tuple[str, ...] = ()  # superlatives before the noun
    least: tuple[str, ...] = ()
    past: tuple[tuple[str, str], ...] = ()  # a date's verbs with "a" (they joined), "p" (they were hired), "n" (not yet)
    yes: tuple[str, ...] = ()  # of a flag
    no: tuple[str, ...] = ()


def split(text: str) -> tuple[str, ...]:
    """The phrases of a text."""
    return tuple(part.strip() for part in text.split("|") if part.strip())


def text(key: str, spellings: str, spoken: str, pool: str, after: str = "", verb: str = "", *, before: bool = False, noun: bool = False, asked: str = "", value: str = "") -> Concept:
    """A column of text."""
    return Concept(key, "text", tuple(spellings.split()), split(spoken), pool, split(after), split(verb), before, noun, split(asked), split(value))


def number(key: str, spellings: str, spoken: str, top: float, more: str = "", less: str = "", does: str = "", most: str = "", least: str = "", value: str = "", *, real: bool = False) -> Concept:
    """A column of numbers up to `top`."""
    verbs = tuple((part.split("/")[0], part.split("/")[1]) for part in split(does))
    return Concept(key, "real" if real else "int", tuple(spellings.split()), split(spoken), value=split(value), top=top, more=split(more), less=split(less), does=verbs, most=split(most), least=split(least))


def date(key: str, spellings: str, spoken: str, past: str, most: str = "newest|latest|most recent", least: str = "oldest|earliest|first", value: str = "") -> Concept:
    """A column of dates."""
    verbs = tuple((part.split("/")[0], part.split("/")[1]) for part in split(past))
    return Concept(key, "date", tuple(spellings.split()), split(spoken), past=verbs, most=split(most), least=split(least), value=split(value))


def flag(key: str, spellings: str, yes: str, no: str) -> Concept:
    """A column of 0 and 1."""
    return Concept(key, "flag", tuple(spellings.split()), (split(yes)[0],), yes=split(yes), no=split(no))


WHERE = "in {v}|from {v}|based in {v}|located in {v}|in {v}"
ARE_WHERE = "are in {v}|are based in {v}|are located in {v}|live in {v}@p|come from {v}@p|are from {v}|are there in {v}"
CONCEPTS: list[Concept] = [
    text("city", "city city town home_city location location city_name place", "city|city|location|place|town", "city", WHERE, ARE_WHERE, asked="do {t} live in@p|are {t} in|do {t} come from@p|are {t} located in@t|are {t} based in", value="where does {n} live@p|where is {n}@t|in which city is {n}|which city is {n} in|where is {n} located@t"),
    text("country", "country country nation home_country country_name origin", "country|country|nation|country of origin", "country", "from {v}|in {v}|based in {v}", "come from {v}|are from {v}|are in {v}|live in {v}@p", asked="do {t} come from|are {t} from|do {t} live in@p", value="where does {n} come from|which country is {n} from|what country is {n} from"),
    text("country_code", "country country_code nation_code", "country|country code", "country_code", "from {v}|in {v}|with country code {v}", "are from {v}|come from {v}", value="which country is {n} from"),
    text("nationality", "nationality nationality citizenship", "nationality", "nationality", "of {v} nationality|who are {v}@p", "are {v}|have {v} nationality", before=True, value="what nationality is {n}|what nationality does {n} have"),
    text("region", "region region area zone territory", "region|area", "region", "in the {v} region|in the {v}|in region {v}|from the {v}", "are in the {v} region|are in the {v}|belong to the {v} region", before=True, asked="are {t} in", value="which region is {n} in"),
    text("district", "district district neighborhood quarter area suburb", "district|neighborhood|area", "district", "in {v}|in the {v} district|near {v}", "are in {v}|are located in {v}", asked="are {t} in|are there {t} in", value="which district is {n} in"),
    text("department", "department department dept dept_name department_name division unit team", "department|department|team|division", "department", "in {v}|in the {v} department|from {v}|working in {v}@p|in our {v} department", "work in {v}@p|are in {v}|work in the {v} department@p|belong to {v}|are part of {v}", before=True, asked="do {t} work in@p|are {t} in|do {t} belong to", value="which department is {n} in|which department does {n} work in@p|where does {n} work@p"),
    text("faculty", "faculty faculty major field subject program study_field", "faculty|major|field|field of study|subject", "faculty", "in {v}|of {v}|studying {v}@p|majoring in {v}@p", "study {v}@p|major in {v}@p|are in {v}", asked="do {t} study@p|are {t} in", value="what does {n} study@p|what is {n} majoring in@p"),
    text("job", "job_title title role position job occupation profession", "job title|job|role|position|occupation|profession", "job", "working as {v}@p|employed as {v}@p|with the job {v}@p|whose job is {v}@p", "work as {v}@p|are employed as {v}@p", noun=True, asked="do {t} have|do {t} hold", value="what does {n} do@p|what is the job of {n}@p"),
    text("specialty", "specialty specialization speciality field specialty_name", "specialty|specialization|field", "medical", "in {v}|specializing in {v}@p|who specialize in {v}@p", "specialize in {v}@p|work in {v}@p|practice {v}@p", before=True, asked="do {t} have|do {t} specialize in@p", value="what does {n} specialize in@p"),
    text("color", "color color colour", "color|colour", "color", "in {v}|painted {v}|that are {v}", "are {v}|come in {v}", before=True, asked="do {t} come in|do {t} have", value="what color is {n}"),
    text("material", "material material made_of fabric", "material|fabric", "material", "made of {v}|made from {v}|out of {v}|in {v}", "are made of {v}|consist of {v}|are made from {v}", before=True, asked="are {t} made of|are used for {t}", value="what is {n} made of"),
    text("size", "size size clothing_size dimension", "size", "size", "in size {v}|of size {v}|with size {v}", "come in size {v}|are {v}", before=True, asked="do {t} come in|do we have {t} in"),
    text("goods", "category category product_category type kind section product_type", "category|category|type|kind|section", "goods", "in {v}|in the {v} category|from the {v} section|of type {v}|in category {v}", "are in {v}|belong to {v}|are in the {v} category|fall under {v}", before=True, asked="do {t} fall into|do {t} belong to|are {t} in", value="which category is {n} in|which category does {n} belong to"),
    text("genre", "genre genre category type", "genre|category|type", "genre", "in the {v} genre|of the genre {v}|in {v}|from the {v} genre", "are {v}|belong to {v}|are in the {v} genre", before=True, asked="do {t} have|do we have {t} in|are {t} in", value="what genre is {n}|which genre does {n} belong to"),
    text("music", "genre style music_style", "genre|style", "music", "in the {v} genre|of style {v}|in {v}", "are {v}|play {v}@p|are in the {v} genre", before=True, asked="do {t} have|do {t} play@p", value="what genre is {n}"),
    text("language", "language language lang spoken_language", "language", "language", "in {v}|written in {v}@t|speaking {v}@p|translated to {v}@t|who speak {v}@p", "are in {v}|speak {v}@p|are written in {v}@t|are available in {v}@t", before=True, asked="do {t} speak@p|are {t} written in@t|are {t} in@t|are {t} available in@t", value="what language is {n} in@t|which language does {n} speak@p"),
    text("status", "status status status order_status current_status stage", "status|status|stage", "status", "that are {v}|with status {v}|which are {v}|marked as {v}|marked {v}|in status {v}", "are {v}|are marked {v}|have status {v}|are {v}|are still {v}", before=True, asked="do {t} have|can {t} have|are {t} in", value="what is the status of {n}"),
    text("state", "state status condition state availability", "state|status|condition", "state", "that are {v}|with status {v}|marked as {v}|which are {v}", "are {v}|are {v}|are marked {v}|are currently {v}", before=True, asked="do {t} have|are {t} in", value="what state is {n} in"),
    text("priority", "priority priority prio urgency", "priority|urgency", "priority", "with {v} priority|of {v} priority|with priority {v}", "have {v} priority|are of {v} priority|have priority {v}", asked="do {t} have", value="how urgent is {n}@t"),
    text("severity", "severity severity level impact", "severity|level", "severity", "of {v} severity|with severity {v}|with {v} severity", "are {v}|have {v} severity", before=True, asked="do {t} have"),
    text("payment", "payment_method payment_method payment_type method paid_with", "payment method|method|payment type|way of payment", "payment", "paid by {v}|paid with {v}|paid in {v}|by {v}", "were paid by {v}|were paid with {v}|were made by {v}|used {v}", before=True, asked="are used for {t}|do {t} use|were {t} paid with|are there for {t}", value="how was {n} paid"),
    text("shipping", "shipping_method shipping delivery_type delivery_method transport", "shipping method|delivery method|delivery type|transport", "shipping", "shipped by {v}|sent by {v}|delivered by {v}|with {v} shipping", "were shipped by {v}|were sent by {v}|went by {v}", before=True, asked="are used for {t}|do {t} use", value="how was {n} shipped"),
    text("plan", "plan plan membership subscription tier plan_type membership_type", "plan|membership|tier|subscription", "plan", "on the {v} plan|with a {v} plan|with the {v} plan|with {v} membership", "are on the {v} plan|have a {v} plan|use the {v} plan|have the {v} tier", before=True, asked="are {t} on|do {t} have", value="which plan is {n} on|what plan does {n} have"),
    text("gender", "gender gender sex", "gender|sex", "gender", "who are {v}@p", "are {v}", before=True),
    text("species", "species species animal animal_type kind", "species|animal|kind", "animal", "of the species {v}", "are {v}", noun=True, asked="do we have|are there among {t}", value="what kind of animal is {n}"),
    text("breed", "breed breed race", "breed", "breed", "of the breed {v}|of breed {v}", "are {v}", noun=True, asked="do we have among {t}|are there among {t}", value="what breed is {n}"),
    text("room", "room_type type kind room_category", "room type|type|kind", "room", "of type {v}", "are {v}", before=True, asked="do we have|are there of {t}", value="what type is {n}"),
    text("building", "property_type type kind building_type", "property type|type|kind", "building", "of type {v}", "are {v}", noun=True, asked="do we have among {t}"),
    text("vehicle", "vehicle_type type kind vehicle", "vehicle type|type|kind", "vehicle", "of type {v}", "are {v}", noun=True, asked="do we have among {t}|are used for {t}"),
    text("fuel", "fuel fuel_type engine propulsion", "fuel|fuel type|engine", "fuel", "running on {v}|that run on {v}|with a {v} engine", "run on {v}|use {v}|are {v}", before=True, asked="do {t} run on|do {t} use", value="what does {n} run on"),
    text("brand", "brand brand make manufacturer producer maker vendor", "brand|make|manufacturer|producer|maker", "brand", "by {v}|from {v}|made by {v}|of the brand {v}|produced by {v}", "are made by {v}|are by {v}|come from {v}|were produced by {v}", before=True, asked="make our {t}|do {t} come from|of {t} do we have", value="who makes {n}|which brand is {n}"),
    text("supplier", "supplier supplier vendor supplier_name provider", "supplier|vendor|provider", "firm", "from {v}|supplied by {v}|delivered by {v}", "are supplied by {v}|come from {v}|are from {v}", asked="deliver our {t}|supply {t}|do {t} come from", value="who supplies {n}"),
    text("cuisine", "cuisine cuisine food_type kitchen", "cuisine|kitchen", "cuisine", "with {v} cuisine|serving {v} food|that serve {v} food", "serve {v} food|are {v}|offer {v} cuisine", before=True, asked="do {t} offer|do {t} serve", value="what cuisine does {n} serve"),
    text("sport", "sport sport discipline", "sport|discipline", "sport", "in {v}|playing {v}@p|for {v}@t", "play {v}@p|do {v}@p|are for {v}@t", before=True, asked="do {t} play@p|are {t} for@t", value="what sport does {n} play@p"),
    text("position", "position position playing_position role", "position|role", "position", "playing as {v}@p|in the position {v}", "play as {v}@p|are {v}", noun=True, asked="do {t} play", value="what position does {n} play@p"),
    text("measure", "sensor_type type kind measure quantity metric", "type|kind|sensor type|metric", "sensor", "for {v}|that measure {v}|measuring {v}|of type {v}", "measure {v}|are for {v}", before=True, asked="do {t} measure|do we have among {t}", value="what does {n} measure"),
    text("unit", "unit unit measurement_unit uom", "unit|unit of measurement", "unit", "in {v}|measured in {v}|given in {v}", "are measured in {v}|are in {v}|are given in {v}", asked="are {t} measured in|do {t} use"),
    text("weather", "weather weather conditions", "weather|conditions", "weather", "in {v} weather|with {v} weather", "were {v}|had {v} weather", before=True),
    text("subject", "subject subject topic class course_subject", "subject|topic|class", "subject", "in {v}|about {v}@t|teaching {v}@p|on {v}@t", "are in {v}|teach {v}@p|are about {v}@t", before=True, asked="do {t} teach@p|are {t} in@t", value="what does {n} teach@p|what is {n} about@t"),
    text("mark", "grade grade mark letter_grade result", "grade|mark|result", "grade", "with grade {v}|with a grade of {v}|graded {v}", "got grade {v}|have grade {v}|were graded {v}|received a {v}", value="what grade did {n} get"),
    text("blood", "blood_type blood_group", "blood type|blood group", "blood", "with blood type {v}|with blood group {v}", "have blood type {v}|have blood group {v}"),
    text("diagnosis", "diagnosis diagnosis disease condition illness", "diagnosis|disease|condition|illness", "disease", "with {v}|diagnosed with {v}|suffering from {v}@p", "have {v}|were diagnosed with {v}|suffer from {v}@p", before=True, asked="do {t} have", value="what does {n} have@p|what was {n} diagnosed with@p"),
    text("insurer", "insurance insurance insurer insurance_company", "insurance|insurer|insurance company", "insurer", "insured with {v}|insured by {v}|with {v} insurance", "are insured with {v}|are insured by {v}|have {v} insurance", asked="do {t} have|insure our {t}", value="where is {n} insured|who insures {n}"),
    text("airline", "airline carrier operator airline_name", "airline|carrier|operator", "airline", "with {v}|operated by {v}|by {v}|of {v}", "are operated by {v}|are with {v}", before=True, asked="operate our {t}|operate {t}", value="which airline operates {n}"),
    text("carrier", "carrier courier shipper delivery_service", "carrier|courier|shipper", "carrier", "sent with {v}|shipped with {v}|delivered by {v}|via {v}", "were sent with {v}|were delivered by {v}|went with {v}", asked="do {t} go with|are used for {t}", value="who delivered {n}"),
    text("channel", "channel channel contact_channel source medium", "channel|medium", "channel", "by {v}|via {v}|through {v}|over {v}", "came by {v}|came in via {v}|came through {v}", before=True, asked="do {t} come through|are used for {t}"),
    text("source", "source lead_source origin referral_source", "source|origin", "source", "from {v}|that came from {v}|won through a {v}", "came from {v}|come from {v}", asked="do {t} come from"),
    text("event", "event_type type kind event_kind", "event type|type|kind", "event", "of type {v}", "are {v}", noun=True, asked="do we have among {t}|of {t} do we offer"),
    text("weekday", "weekday day day_of_week", "weekday|day", "weekday", "on {v}|on {v}s|held on {v}", "are on {v}|take place on {v}", before=True, asked="do {t} take place on|are {t} on", value="on which day is {n}@t"),
    text("shift", "shift shift work_shift", "shift", "shift", "on the {v} shift|in the {v} shift|working the {v} shift@p", "work the {v} shift@p|are on the {v} shift|work {v} shifts@p", asked="do {t} work@p"),
    text("education", "education degree education_level qualification", "education|degree|qualification", "education", "with a {v}|with a {v} degree", "have a {v}|have a {v} degree|hold a {v}@p", asked="do {t} have", value="what degree does {n} have@p"),
    text("currency", "currency currency currency_code", "currency", "currency", "in {v}|paid in {v}", "are in {v}|were paid in {v}", before=True, asked="are {t} in|are used for {t}"),
    text("format", "format format file_type file_format", "format|file type|file format", "format", "in {v} format|of type {v}|in the {v} format", "are in {v} format|are {v}", before=True, asked="do {t} come in|are {t} in"),
    text("binding", "format binding edition media_type", "format|binding|edition", "binding", "in {v}|as {v}", "are {v}|come in {v}|are in {v}", before=True, asked="do {t} come in"),
    text("browser", "browser browser client user_agent", "browser|client", "browser", "using {v}|with {v}|from {v}", "use {v}|were made with {v}", before=True, asked="do {t} use"),
    text("system", "os platform operating_system system", "operating system|platform|system|os", "system", "running {v}|on {v}|with {v}", "run {v}|run on {v}|use {v}", before=True, asked="do {t} run|do {t} use", value="what does {n} run on|which platform does {n} use"),
    text("license", "license license licence", "license|licence", "license", "under the {v} license|licensed under {v}", "are licensed under {v}|use the {v} license|are under {v}", asked="do {t} have|do {t} use"),
    text("crop", "crop crop plant crop_type", "crop|plant", "crop", "with {v}|growing {v}|of {v}", "grow {v}|have {v}", before=True, asked="do {t} grow|are grown on {t}", value="what grows on {n}|what does {n} grow"),
    text("instrument", "instrument instrument plays", "instrument", "instrument", "playing the {v}@p|who play the {v}@p|for {v}@t", "play the {v}@p|play {v}@p|are for {v}@t", asked="do {t} play@p", value="what does {n} play@p|which instrument does {n} play@p"),
    text("rank", "level seniority rank grade", "level|seniority|rank|grade", "rank", "at {v} level|with rank {v}", "are {v}|are at {v} level|have rank {v}", before=True, asked="do {t} have"),
    text("contract", "contract employment_type contract_type employment", "contract|employment type|contract type", "contract", "with a {v} contract|on a {v} contract", "have a {v} contract|work {v}@p|are {v}", before=True, asked="do {t} have"),
    text("reason", "reason cause reason_code", "reason|cause", "reason", "because of {v}|due to {v}|with the reason {v}", "were because of {v}|happened due to {v}", asked="are there for {t}|do {t} have", value="what was the reason of {n}"),
    text("author", "author author writer author_name written_by", "author|author|writer", "person", "by {v}|written by {v}|from {v}", "are by {v}|were written by {v}|did {v} write", asked="wrote {t}", value="who wrote {n}|who is the author of {n}|by whom is {n}"),
    text("director", "director directed_by director_name", "director", "person", "by {v}|directed by {v}", "were directed by {v}|are by {v}|did {v} direct", asked="directed {t}", value="who directed {n}"),
    text("artist", "artist artist_name performer band", "artist|performer", "person", "by {v}|performed by {v}|from {v}", "are by {v}|were performed by {v}", value="who performed {n}|who is {n} by"),
    text("manager", "manager supervisor manager_name boss head", "manager|supervisor|boss", "person", "managed by {v}|under {v}|reporting to {v}@p", "are managed by {v}|report to {v}@p|work for {v}@p", value="who manages {n}|who is the manager of {n}|who is the boss of {n}@p"),
    text("owner", "owner owner_name owned_by holder", "owner|holder", "person", "owned by {v}|belonging to {v}|of {v}", "are owned by {v}|belong to {v}|does {v} own", value="who owns {n}|who does {n} belong to"),
    text("teacher", "teacher instructor lecturer trainer professor", "teacher|instructor|lecturer|trainer", "person", "taught by {v}|with {v}|given by {v}", "are taught by {v}|are given by {v}|does {v} teach", value="who teaches {n}|who gives {n}"),
    text("assignee", "assignee assigned_to responsible agent handled_by", "assignee|responsible person|agent", "person", "assigned to {v}|handled by {v}|of {v}", "are assigned to {v}|are handled by {v}", value="who is responsible for {n}|who handles {n}"),
    text("customer", "customer customer_name client client_name buyer", "customer|client|buyer", "person", "of {v}|from {v}|by {v}|placed by {v}", "are from {v}|did {v} place|belong to {v}", value="who placed {n}"),
    text("patient", "patient patient_name", "patient", "person", "of {v}|for {v}", "are for {v}|does {v} have"),
    text("guest", "guest guest_name visitor booked_by", "guest|visitor", "person", "of {v}|for {v}|by {v}", "are for {v}|did {v} make|are by {v}"),
    text("doctor", "doctor physician doctor_name", "doctor|physician", "person", "of {v}|with {v}|treated by {v}@p", "are with {v}|see {v}@p"),
    text("company", "company employer company_name organization", "company|employer|organization", "firm", "from {v}|at {v}|of {v}|working for {v}@p", "work for {v}@p|work at {v}@p|are from {v}", asked="do {t} work for@p|are {t} from", value="where does {n} work@p|which company is {n} from"),
    text("publisher", "publisher publisher_name publishing_house", "publisher|publishing house", "firm", "published by {v}|from {v}|by {v}", "were published by {v}|are published by {v}|are from {v}", asked="publish {t}|published our {t}", value="who published {n}"),
    text("venue", "venue location place site", "venue|location|place", "place", "at {v}|in {v}|held at {v}@t", "are at {v}|take place at {v}@t|were held at {v}@t", asked="do {t} take place at|are {t} at", value="where is {n}|where does {n} take place"),
    text("destination", "destination destination_city arrival_city dest", "destination|destination city", "city", "to {v}|going to {v}|bound for {v}", "go to {v}|fly to {v}@t|are bound for {v}", asked="do {t} go to", value="where does {n} go"),
    text("departure", "origin departure_city departure from_city", "origin|departure city", "city", "departing from {v}|leaving from {v}|starting in {v}", "depart from {v}|leave from {v}|start in {v}", asked="do {t} depart from|do {t} leave from", value="where does {n} depart from|where does {n} start"),
    text("email", "email email email_address mail", "email|email address|e-mail address", "email", value="how can {n} be reached by email@p"),
    text("phone", "phone phone phone_number telephone mobile", "phone number|phone|telephone number", "phone"),
    text("address", "address address street street_address", "address|street", "street", value="what is the address of {n}"),
    text("note", "notes comment remark description note", "note|comment|remark|description", "sentence"),
    text("code", "code code sku reference number serial_number isbn", "code|reference|number", "code"),
    number("price", "price price unit_price cost list_price price_usd", "price|price|cost", 1000, "more expensive than {v}|priced above {v}|priced over {v}", "cheaper than {v}|priced below {v}|priced under {v}|less expensive than {v}", "cost/costs", "most expensive|priciest|dearest", "cheapest|least expensive", "how much does {n} cost|what does {n} cost", real=True),
    number("amount", "amount amount total total_amount sum value order_total", "amount|total|value|total amount", 5000, "worth more than {v}|above {v}|over {v}", "worth less than {v}|below {v}|under {v}", "", "largest|biggest", "smallest", "how much was {n}|what is {n} worth", real=True),
    number("salary", "salary salary monthly_salary annual_salary wage pay income", "salary|salary|wage|pay|income", 9000, "paid more than {v}", "paid less than {v}", "earn/earns|make/makes", "best paid|highest paid|highest earning", "worst paid|lowest paid", "how much does {n} earn|what does {n} earn", real=True),
    number("age", "age age age_years", "age", 90, "older than {v}|over {v}|above {v}|over {v} years old|over the age of {v}", "younger than {v}|under {v}|under {v} years old|below the age of {v}", "", "oldest", "youngest", "how old is {n}"),
    number("weight", "weight weight weight_kg mass", "weight|mass", 500, "heavier than {v}|heavier than {v} kg", "lighter than {v}|lighter than {v} kg", "weigh/weighs", "heaviest", "lightest", "how much does {n} weigh|how heavy is {n}", real=True),
    number("height", "height height height_cm height_m elevation", "height|elevation", 3000, "taller than {v}|higher than {v}|taller than {v} cm", "shorter than {v}|lower than {v}", "", "tallest|highest", "shortest|lowest", "how tall is {n}|how high is {n}@t"),
    number("length", "length length length_km distance distance_km", "length|distance", 2000, "longer than {v}|longer than {v} km", "shorter than {v}|shorter than {v} km", "", "longest", "shortest", "how long is {n}@t", real=True),
    number("duration", "duration duration duration_minutes minutes length_min runtime", "duration|length|runtime", 240, "longer than {v} minutes|longer than {v}", "shorter than {v} minutes|shorter than {v}", "last/lasts|take/takes|run/runs", "longest", "shortest", "how long does {n} take|how long is {n}|how long does {n} last"),
    number("capacity", "capacity capacity seats max_guests max_capacity beds", "capacity", 500, "bigger than {v}|with room for more than {v}|with a capacity above {v}", "smaller than {v}|with room for fewer than {v}", "hold/holds|seat/seats", "largest|biggest", "smallest", "how many people does {n} hold|how many people fit into {n}"),
    number("area", "area size_sqm square_meters area_m2 area_km2", "area|floor area|surface", 5000, "larger than {v}|bigger than {v}|larger than {v} square meters", "smaller than {v}|smaller than {v} square meters", "cover/covers|measure/measures", "largest|biggest", "smallest", "how large is {n}|how big is {n}", real=True),
    number("stock", "stock quantity stock_quantity in_stock units_in_stock inventory on_hand", "stock|quantity|inventory|units in stock", 500, "with more than {v} in stock|with over {v} in stock", "with fewer than {v} in stock|with less than {v} left", "", "", "", "how many of {n} are in stock|how much of {n} is left"),
    number("quantity", "quantity qty amount units item_count", "quantity|number of units", 100, "with more than {v} units|of more than {v} pieces", "with fewer than {v} units", "", "", ""),
    number("rating", "rating rating score stars avg_rating review_score", "rating|rating|score|stars", 5, "rated above {v}|rated higher than {v}|rated better than {v}|rated over {v}", "rated below {v}|rated lower than {v}|rated under {v}|rated worse than {v}", "", "best rated|highest rated|top rated|best", "worst rated|lowest rated|worst", "how is {n} rated|how well is {n} rated", real=True),
    number("year", "year year release_year year_published publication_year built_year", "year|year", 2026, "newer than {v}|from after {v}|later than {v}", "older than {v}|from before {v}|earlier than {v}", "", "newest|most recent|latest", "oldest|earliest", "what year is {n} from|which year is {n} from|in which year did {n} come out@t"),
    number("pages", "pages page_count num_pages page_total", "number of pages|page count|pages", 1200, "longer than {v} pages|with more than {v} pages|with over {v} pages", "shorter than {v} pages|with fewer than {v} pages|with under {v} pages", "", "longest|thickest", "shortest|thinnest", "how many pages does {n} have|how long is {n}"),
    number("population", "population population inhabitants residents", "population|number of inhabitants", 900000, "with more than {v} inhabitants|with over {v} people", "with fewer than {v} inhabitants|with less than {v} people", "", "most populous|biggest|largest", "least populous|smallest", "how many people live in {n}|how many inhabitants does {n} have"),
    number("employees", "employees employee_count headcount staff_count num_employees", "number of employees|headcount|employee count", 2000, "with more than {v} employees|with over {v} employees", "with fewer than {v} employees|with under {v} employees", "employ/employs", "biggest|largest", "smallest", "how many people work at {n}|how many people does {n} employ"),
    number("budget", "budget budget funding planned_cost", "budget|funding", 900000, "with more than {v} in budget|with a budget over {v}", "with a budget under {v}", "", "best funded", "worst funded", "how much money does {n} have|what is the budget of {n}", real=True),
    number("revenue", "revenue revenue sales turnover annual_revenue earnings", "revenue|sales|turnover|earnings", 900000, "with more than {v} in revenue|making more than {v}", "with less than {v} in revenue", "made/made", "most successful", "least successful", "how much did {n} make", real=True),
    number("balance", "balance balance account_balance credit", "balance|credit", 9000, "with more than {v} in the account|with a balance over {v}", "with a balance under {v}", "", "richest", "poorest", "how much does {n} have", real=True),
    number("discount", "discount discount discount_percent rebate", "discount|rebate", 60, "reduced by more than {v}|discounted by more than {v}", "discounted by less than {v}", "", "", "", "how much off is {n}", real=True),
    number("speed", "speed max_speed top_speed speed_kmh", "speed|top speed|maximum speed", 300, "faster than {v}|faster than {v} km/h", "slower than {v}|slower than {v} km/h", "reach/reaches", "fastest", "slowest", "how fast is {n}"),
    number("points", "points points loyalty_points score_points", "number of points|points", 1000, "with more than {v} points|with over {v} points", "with fewer than {v} points|with less than {v} points", "have/has", "", "", "how many points does {n} have"),
    number("score", "score score test_score exam_score result marks", "score|result|mark", 100, "with more than {v} points|scoring above {v}", "with fewer than {v} points|scoring below {v}", "scored/scored", "best|top scoring", "worst|weakest", "how did {n} score|what did {n} score"),
    number("credits", "credits credits ects credit_points", "number of credits|credits", 30, "worth more than {v} credits|with more than {v} credits", "worth fewer than {v} credits|with fewer than {v} credits", "give/gives", "", "", "how many credits is {n} worth|how many credits does {n} give"),
    number("experience", "experience years_experience experience_years years_of_experience", "experience|years of experience", 40, "with more than {v} years of experience|with over {v} years of experience", "with less than {v} years of experience|with fewer than {v} years of experience", "", "most experienced", "least experienced", "how much experience does {n} have|how experienced is {n}"),
    number("temperature", "temperature temp temperature_c max_temp", "temperature", 45, "warmer than {v}|hotter than {v}|above {v} degrees", "colder than {v}|below {v} degrees|cooler than {v}", "", "warmest|hottest", "coldest|coolest", "how warm is {n}|how hot is {n}", real=True),
    number("reading", "value reading measured_value measurement level", "value|reading|measured value", 120, "above {v}|over {v}|higher than {v}", "below {v}|under {v}|lower than {v}", "", "highest|largest", "lowest|smallest", real=True),
    number("humidity", "humidity humidity_percent moisture", "humidity|moisture", 100, "more humid than {v}", "less humid than {v}", "", "most humid|wettest", "driest|least humid", real=True),
    number("battery", "battery battery_level battery_percent charge", "battery level|battery|charge", 100, "with more than {v} percent battery", "with less than {v} percent battery", "", "", "", "how full is the battery of {n}"),
    number("rooms", "rooms bedrooms room_count num_rooms", "number of rooms|rooms|bedrooms", 12, "with more than {v} rooms", "with fewer than {v} rooms", "have/has", "", "", "how many rooms does {n} have"),
    number("floor", "floor floor floor_number level storey", "floor|level", 30, "above floor {v}|higher than floor {v}", "below floor {v}|lower than floor {v}", "", "highest", "lowest", "on which floor is {n}|which floor is {n} on"),
    number("rent", "rent monthly_rent rent_per_month price_per_night nightly_rate daily_rate", "rent|rate|price per night", 3000, "with a rent over {v}", "with a rent under {v}", "cost/costs", "most expensive", "cheapest", "how much is {n}|what does {n} cost", real=True),
    number("fee", "fee fee charge tuition entry_fee", "fee|charge", 900, "with a fee over {v}", "with a fee under {v}", "cost/costs", "most expensive", "cheapest", "how much does {n} cost", real=True),
    number("nights", "nights nights stay_length num_nights", "number of nights|nights", 21, "longer than {v} nights|for more than {v} nights", "shorter than {v} nights|for fewer than {v} nights", "", "longest", "shortest", "how many nights is {n}"),
    number("guests", "guests num_guests guest_count persons attendees participants", "number of guests|guests|participants", 300, "with more than {v} guests|for more than {v} people|with more than {v} people", "with fewer than {v} guests|for fewer than {v} people", "", "biggest|largest", "smallest", "how many guests does {n} have"),
    number("hours", "hours hours_worked working_hours weekly_hours", "number of hours|hours|working hours", 60, "with more than {v} hours|with over {v} hours", "with fewer than {v} hours|with less than {v} hours", "took/took|work/works", "", "", "how many hours does {n} work@p"),
    number("goals", "goals goals_scored wins points_scored", "number of goals|goals", 60, "with more than {v} goals", "with fewer than {v} goals", "scored/scored", "", "", "how many goals did {n} score"),
    number("views", "views view_count clicks plays downloads visits", "number of views|views", 90000, "with more than {v} views|seen more than {v} times", "with fewer than {v} views|seen fewer than {v} times", "", "most popular|most viewed", "least popular|least viewed", "how often was {n} seen|how many views does {n} have"),
    number("mileage", "mileage odometer km_driven kilometers", "mileage|kilometers", 250000, "with more than {v} km|with over {v} kilometers", "with fewer than {v} km|with less than {v} kilometers", "", "", "", "how far has {n} been driven"),
    number("dose", "dose dosage dose_mg strength", "dose|dosage|strength", 500, "stronger than {v}|stronger than {v} mg", "weaker than {v}|weaker than {v} mg", "", "strongest", "weakest", "how strong is {n}", real=True),
    number("copies", "copies copies_owned num_copies copies_available", "number of copies|copies", 40, "with more than {v} copies", "with fewer than {v} copies", "", "", "", "how many copies of {n} are there|how many copies of {n} do we have"),
    number("fine", "fine late_fee penalty fine_amount", "fine|late fee|penalty", 60, "with a fine over {v}|fined more than {v}", "with a fine under {v}", "", "", "", real=True),
    number("tax", "tax vat tax_rate tax_amount", "tax|tax rate", 30, "taxed above {v}", "taxed below {v}", "", "", "", real=True),
    number("room_number", "room_number number room_no house_number table_number", "room number|number", 500, "", "", "", "", ""),
    date("created", "created_at created_on creation_date date_created created", "creation date|date of creation", "created/p|added/p|entered/p|recorded/p", value="when was {n} created|when was {n} added"),
    date("joined", "joined_at join_date signup_date created_at registered_on member_since registration_date", "join date|signup date|registration date", "joined/a|signed up/a|registered/a|became members/a", value="when did {n} join|when did {n} sign up|since when is {n} with us"),
    date("hired", "hire_date hired_on hired_at start_date employment_date", "hire date|start date|hiring date", "hired/p|employed/p|started/a|taken on/p|joined us/a", "newest|most recently hired|latest", "longest serving|first", "when was {n} hired|when did {n} start"),
    date("left", "left_on end_date termination_date leaving_date left_at", "leaving date|end date", "left/n|terminated/p", "", "", "when did {n} leave"),
    date("born", "birth_date date_of_birth birthday born_on dob", "birth date|date of birth|birthday", "born/p", "youngest", "oldest", "when was {n} born|when is the birthday of {n}"),
    date("ordered", "order_date ordered_at ordered_on placed_at purchase_date date", "order date|purchase date|date", "ordered/p|placed/p|made/p|purchased/p", value="when was {n} ordered|when was {n} placed"),
    date("shipped", "shipped_at ship_date shipped_on shipping_date dispatched_at", "ship date|shipping date", "shipped/n|dispatched/n|sent out/n|sent/n", "most recently shipped", "", "when was {n} shipped"),
    date("delivered", "delivered_at delivery_date delivered_on arrived_at", "delivery date|date of delivery", "delivered/n|handed over/n", "most recently delivered", "", "when was {n} delivered"),
    date("paid", "paid_at paid_on payment_date date_paid", "payment date|date of payment", "paid/n|settled/n", "most recently paid", "", "when was {n} paid"),
    date("due", "due_date deadline due_on due", "due date|deadline", "due/p", "", "", "when is {n} due"),
    date("closed", "closed_at closed_on resolved_at completed_at finished_on completion_date", "closing date|completion date|end date", "closed/n|resolved/n|completed/n|finished/n", "most recently closed", "", "when was {n} closed|when was {n} finished"),
    date("opened", "opened_at opened_on opening_date reported_at", "opening date|report date", "opened/p|reported/p|raised/p", value="when was {n} opened"),
    date("founded", "founded founded_on founding_date established established_on", "founding date|date of foundation", "founded/p|established/p|set up/p", "youngest|newest", "oldest", "when was {n} founded|how long has {n} existed"),
    date("built", "built_on construction_date built completed_on", "construction date", "built/p|constructed/p", "newest", "oldest", "when was {n} built"),
    date("published", "published_at published_on publication_date release_date released_on", "publication date|release date", "published/p|released/p|brought out/p", value="when was {n} published|when did {n} come out"),
    date("happened", "event_date date held_on starts_at start_time event_day", "date|event date|day", "held/p|taking place/p", value="when is {n}|when does {n} take place|when was {n} held"),
    date("checked_in", "check_in check_in_date arrival arrival_date checkin_date", "check-in date|arrival date|arrival", "arrived/a|checked in/a|starting/p", value="when does {n} arrive"),
    date("checked_out", "check_out check_out_date departure departure_date checkout_date", "check-out date|departure date", "ended/a|checked out/n", "", "", "when does {n} leave"),
    date("borrowed", "borrowed_at loan_date borrowed_on checkout_date issued_on", "loan date|date of the loan", "borrowed/p|lent/p|taken out/p|issued/p", value="when was {n} borrowed"),
    date("returned", "returned_at return_date returned_on brought_back_on", "return date", "returned/n|brought back/n|given back/n", "most recently returned", "", "when was {n} returned"),
    date("scheduled", "scheduled_at appointment_date scheduled_for visit_date date", "appointment date|visit date|date", "scheduled/p|planned/p|booked/p", value="when is {n}"),
    date("updated", "updated_at last_updated modified_at changed_on", "last update|date of the last change", "updated/p|changed/p|modified/p", "most recently updated", "", "when was {n} updated"),
    date("seen", "last_login last_seen last_active last_visit", "last login|last visit", "last seen/n|last active/p", "most recently active", "", "when was {n} last seen"),
    date("measured", "measured_at recorded_at reading_time taken_at timestamp", "time of measurement|measurement date|time", "measured/p|recorded/p|taken/p|read/p", value="when was {n} measured"),
    date("installed", "installed_on installed_at installation_date commissioned_on", "installation date", "installed/n|set up/p|put in/p|commissioned/p", value="when was {n} installed"),
    date("serviced", "last_service serviced_on last_maintenance calibrated_on inspected_at", "last service|last maintenance|service date", "serviced/n|inspected/n|checked/n", "most recently serviced", "", "when was {n} serviced"),
    date("bought", "purchased_on bought_on acquired_on purchase_date acquired_at", "purchase date|date of purchase", "bought/p|acquired/p|purchased/p", value="when was {n} bought"),
    date("expires", "expires_on expiry_date valid_until expiration_date", "expiry date|expiration date", "expiring/p", "", "", "when does {n} expire"),
    date("enrolled", "enrolled_on enrollment_date enrolled_at admission_date admitted_on", "enrollment date|admission date", "enrolled/a|admitted/p|started/a", value="when did {n} enroll|when was {n} admitted"),
    date("discharged", "discharged_on discharge_date released_at", "discharge date", "discharged/n|sent home/n", "", "", "when was {n} discharged"),
    date("graduated", "graduated_on graduation_date graduation", "graduation date", "graduated/n", "", "", "when did {n} graduate"),
    date("approved", "approved_at approved_on approval_date", "approval date", "approved/n|signed off/n|confirmed/n", "", "", "when was {n} approved"),
    flag("active", "active is_active enabled is_enabled", "active|currently active|enabled", "inactive|not active|disabled"),
    flag("paid_flag", "paid is_paid settled", "paid|settled|already paid", "unpaid|not paid|still unpaid|not yet paid"),
    flag("available", "available is_available in_stock", "available|free to use", "unavailable|not available"),
    flag("verified", "verified is_verified confirmed is_confirmed", "verified|confirmed", "unverified|not verified|unconfirmed"),
    flag("archived", "archived is_archived deleted is_deleted", "archived|deleted", "not archived|not deleted"),
    flag("featured", "featured is_featured promoted on_sale", "featured|promoted|on sale", "not featured|not promoted|not on sale"),
    flag("remote", "remote is_remote works_remotely", "remote|working remotely", "not remote|working on site"),
    flag("insured", "insured is_insured has_insurance", "insured", "uninsured|not insured"),
    flag("urgent", "urgent is_urgent rush", "urgent", "not urgent"),
    flag("online", "online is_online virtual", "online|virtual", "not online|offline"),
    flag("member", "is_member member premium is_premium vip", "premium|registered", "not premium|not registered"),
    flag("discontinued", "discontinued is_discontinued out_of_print", "discontinued", "not discontinued|still offered"),
    flag("cancelled", "cancelled is_cancelled canceled", "cancelled|called off", "not cancelled|still on"),
    flag("accessible", "accessible wheelchair_accessible barrier_free", "wheelchair accessible|accessible", "not accessible"),
    flag("vaccinated", "vaccinated is_vaccinated neutered", "vaccinated", "unvaccinated|not vaccinated"),
]
BY_KEY: dict[str, Concept] = {concept.key: concept for concept in CONCEPTS}
