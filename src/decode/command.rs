//! Bytes to commands (§4.3).
//!
//! Enters: the bytes of one record of `commands`. Leaves: a command, a tick, or a rejection for the dead letters.
//! Always true: a record that names its command, its shipment and a known type is a command, however wrong its other
//! fields: then its body says what is wrong, and the sender gets an answer. Everything else is `BAD_COMMAND`.
//! Whether a command is allowed is not judged here.

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;
use serde::de::value::{Error as ValueError, StrDeserializer};
use serde::de::{MapAccess, SeqAccess};

use super::scan::quoted;
use super::shape::{Accept, AcceptScalar, Any, Scalar, Shape};
use super::{Rejection, json, outline};
use crate::model::{
    AccountId, BoxId, Command, CommandBody, CommandId, CommandKind, CreateShipment, DeadLetterReason, FcId,
    ID_CHARS_MAX, InvalidCommand, Mode, NewBox, ShipmentId, Stage, SystemTracking, Timestamp, TrackingItem,
    Window,
};

/// The longest list of boxes or of tracking IDs.
const LIST_MAX: usize = 10_000;
/// The most units in a box.
const UNITS_MAX: u32 = 1_000_000;
/// The most faults that one answer lists.
const FAULTS_MAX: usize = 8;

/// A record of `commands`.
#[derive(Clone, Debug, PartialEq)]
pub enum CommandRecord {
    /// A command for one shipment.
    Command(Command),
    /// Time passes (§3).
    Tick,
}

/// Reads one record of `commands`. The rejection's reason is always `BAD_COMMAND`.
pub fn command(bytes: &[u8]) -> Result<CommandRecord, Rejection> {
    let bom = if bytes.starts_with(b"\xef\xbb\xbf") { 3 } else { 0 };
    let (blanks, text) = outline::trim(&bytes[bom..]);
    let start = bom + blanks;
    read(text).map_err(|rejection| Rejection {
        reason: DeadLetterReason::BadCommand,
        detail: rejection.detail,
        position: rejection.position.map(|at| start + at),
    })
}

fn read(text: &[u8]) -> Result<CommandRecord, Rejection> {
    let bad = |field: &str, nth: usize, detail: String| Rejection {
        reason: DeadLetterReason::BadCommand,
        detail,
        position: Some(outline::field(text, field, nth).unwrap_or(0)),
    };
    if text.is_empty() {
        return Err(bad("", 0, "an empty record".to_owned()));
    }
    let json = json::careful(text, AcceptJson)?;
    let Json::Object(object) = &json else {
        return Err(bad("", 0, format!("an object is expected, found {json}")));
    };

    let mut faults = Faults::default();
    let mut fields = Fields { object, within: Within::Command, faults: &mut faults };
    let record = match fields.get("type") {
        None => Err(bad("", 0, "`type`: the name of a command expected, found nothing".to_owned())),
        Some(name) if name.as_text() == Some("tick") => Ok(CommandRecord::Tick),
        Some(name) => match name.as_text().and_then(named::<CommandKind>) {
            None => Err(bad("type", 0, format!("`type`: the name of a command expected, found {name}"))),
            Some(kind) => fields
                .command(kind)
                .map(CommandRecord::Command)
                .map_err(|(field, found)| bad(field, 0, format!("`{field}`: {ID} expected, found {found}"))),
        },
    };
    match faults.repeated {
        Some(field) => Err(bad(&field, 1, format!("`{field}` appears twice"))),
        None => record,
    }
}

/// A value of an enum by its name in messages.
fn named<T: for<'de> Deserialize<'de>>(name: &str) -> Option<T> {
    T::deserialize(StrDeserializer::<ValueError>::new(name)).ok()
}

/// A JSON value with everything it says, repeated keys included.
#[derive(Debug)]
enum Json<'j> {
    Scalar(Shape),
    Text(Cow<'j, str>),
    List(Vec<Json<'j>>),
    Object(Vec<(Cow<'j, str>, Json<'j>)>),
}

impl Json<'_> {
    fn as_text(&self) -> Option<&str> {
        if let Json::Text(text) = self { Some(text) } else { None }
    }

    fn as_string(&self) -> Option<String> {
        self.as_text().map(str::to_owned)
    }

    fn as_bool(&self) -> Option<bool> {
        if let Json::Scalar(Shape::Bool(value)) = self { Some(*value) } else { None }
    }

    fn as_count(&self, max: u32) -> Option<u32> {
        let Json::Scalar(Shape::Number(Some(value))) = self else { return None };
        u32::try_from(*value).ok().filter(|value| *value <= max)
    }

    fn as_time(&self) -> Option<Timestamp> {
        self.as_text().and_then(Timestamp::parse)
    }
}

/// What was found, for messages.
impl fmt::Display for Json<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Json::Scalar(shape) => shape.fmt(f),
            Json::Text(text) => f.write_str(&quoted(text)),
            Json::List(_) => Shape::List.fmt(f),
            Json::Object(_) => Shape::Object.fmt(f),
        }
    }
}

struct AcceptJson;

impl<'de> Accept<'de> for AcceptJson {
    type Out = Json<'de>;

    fn shape(self, shape: Shape) -> Json<'de> {
        Json::Scalar(shape)
    }

    fn text(self, text: Cow<'de, str>) -> Json<'de> {
        Json::Text(text)
    }

    fn list<A: SeqAccess<'de>>(self, mut list: A) -> Result<Json<'de>, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = list.next_element_seed(Any(AcceptJson))? {
            items.push(item);
        }
        Ok(Json::List(items))
    }

    fn object<A: MapAccess<'de>>(self, mut object: A) -> Result<Json<'de>, A::Error> {
        let mut members = Vec::new();
        while let Some(key) = object.next_key_seed(Any(AcceptScalar))? {
            let value = object.next_value_seed(Any(AcceptJson))?;
            // Keys are always strings.
            if let Scalar::Text(key) = key {
                members.push((key, value));
            }
        }
        Ok(Json::Object(members))
    }
}

/// What is wrong with a command.
#[derive(Default)]
struct Faults {
    /// The path of the first known key that stood there twice.
    repeated: Option<String>,
    messages: Vec<String>,
    more: usize,
}

impl Faults {
    fn add(&mut self, message: String) {
        if self.messages.len() < FAULTS_MAX {
            self.messages.push(message);
        } else {
            self.more += 1;
        }
    }

    fn message(&self) -> String {
        let listed = self.messages.join("; ");
        if self.more == 0 { listed } else { format!("{listed}; and {} more", self.more) }
    }
}

/// Which object of a command is read.
#[derive(Clone, Copy)]
enum Within {
    Command,
    Field(&'static str),
    Item(&'static str, usize),
}

/// The fields of one object. Reading goes on after a fault, so that an answer lists all of them.
struct Fields<'f, 'j> {
    object: &'f [(Cow<'j, str>, Json<'j>)],
    within: Within,
    faults: &'f mut Faults,
}

const ID: &str = "1-64 printable characters";
const TIME: &str = "an RFC 3339 time with a zone";

impl<'f, 'j> Fields<'f, 'j> {
    fn path(&self, name: &str) -> String {
        match self.within {
            Within::Command => name.to_owned(),
            Within::Field(outer) => format!("{outer}.{name}"),
            Within::Item(outer, index) => format!("{outer}[{index}].{name}"),
        }
    }

    #[cold]
    fn fault(&mut self, name: &str, expected: &str, found: &dyn fmt::Display) {
        let message = format!("`{}`: {expected} expected, found {found}", self.path(name));
        self.faults.add(message);
    }

    /// The value of a field; `null` equals missing.
    fn get(&mut self, name: &'static str) -> Option<&'f Json<'j>> {
        let mut values = self.object.iter().filter(|(key, _)| key == name).map(|(_, value)| value);
        let value = values.next();
        if values.next().is_some() && self.faults.repeated.is_none() {
            self.faults.repeated = Some(self.path(name));
        }
        value.filter(|value| !matches!(value, Json::Scalar(Shape::Null)))
    }

    /// A field that may be missing.
    fn optional<T>(
        &mut self,
        name: &'static str,
        expected: &str,
        read: impl FnOnce(&'f Json<'j>) -> Option<T>,
    ) -> Option<T> {
        let json = self.get(name)?;
        let value = read(json);
        if value.is_none() {
            self.fault(name, expected, json);
        }
        value
    }

    /// A field that must not be missing.
    fn required<T>(
        &mut self,
        name: &'static str,
        expected: &str,
        read: impl FnOnce(&'f Json<'j>) -> Option<T>,
    ) -> Option<T> {
        match self.get(name) {
            None => {
                self.fault(name, expected, &"nothing");
                None
            }
            Some(json) => {
                let value = read(json);
                if value.is_none() {
                    self.fault(name, expected, json);
                }
                value
            }
        }
    }

    fn id<T>(&mut self, name: &'static str, parse: fn(&str) -> Option<T>) -> Option<T> {
        self.required(name, ID, |json| parse(json.as_text()?))
    }

    fn text(&mut self, name: &'static str) -> Option<String> {
        self.required(name, "a string", Json::as_string)
    }

    fn flag(&mut self, name: &'static str) -> bool {
        self.optional(name, "true or false", Json::as_bool).unwrap_or(false)
    }

    fn count(&mut self, name: &'static str, max: u32) -> u32 {
        let expected = format!("a whole number from 0 to {max}");
        self.optional(name, &expected, |json| json.as_count(max)).unwrap_or(0)
    }

    fn time(&mut self, name: &'static str) -> Option<Timestamp> {
        self.optional(name, TIME, Json::as_time)
    }

    /// The start and the end among these fields.
    fn window(&mut self) -> Option<Window> {
        let start = self.required("start", TIME, Json::as_time);
        let end = self.required("end", TIME, Json::as_time);
        Some(Window { start: start?, end: end? })
    }

    /// The fields of an inner object.
    fn inner(&mut self, name: &'static str) -> Option<Fields<'_, 'j>> {
        let object = self.optional(name, "an object", |json| match json {
            Json::Object(object) => Some(object),
            _ => None,
        })?;
        Some(Fields { object, within: Within::Field(name), faults: self.faults })
    }

    /// The items of a list, as far as `read` makes something of them. `shown` is the list's name in messages.
    fn list<T>(
        &mut self,
        name: &'static str,
        shown: &'static str,
        mut read: impl FnMut(&mut Faults, usize, &Json<'j>) -> Option<T>,
    ) -> Option<Vec<T>> {
        let json = self.get(name)?;
        match json {
            Json::List(items) if items.len() <= LIST_MAX => {
                let faults = &mut *self.faults;
                let read = |(index, item)| read(faults, index, item);
                Some(items.iter().enumerate().filter_map(read).collect())
            }
            Json::List(items) => {
                self.faults
                    .add(format!("`{shown}`: at most {LIST_MAX} items expected, found {}", items.len()));
                None
            }
            other => {
                self.faults.add(format!("`{shown}`: a list expected, found {other}"));
                None
            }
        }
    }

    fn boxes(&mut self, name: &'static str) -> Vec<NewBox> {
        let boxes = self.list(name, name, |faults, index, json| {
            let mut fields = item(faults, name, index, json)?;
            let box_id = fields.id("box_id", BoxId::parse);
            let units = fields.count("units", UNITS_MAX);
            let weight_g = fields.count("weight_g", u32::MAX);
            Some(NewBox { box_id: box_id?, units, weight_g })
        });
        boxes.unwrap_or_default()
    }

    /// Tracking IDs by box; `shown` is the list's name in messages.
    fn items(&mut self, shown: &'static str) -> Option<Vec<TrackingItem>> {
        self.list("items", shown, |faults, index, json| {
            let mut fields = item(faults, shown, index, json)?;
            let box_id = fields.required("box_id", ID, |json| {
                let text = json.as_text()?;
                (!text.is_empty() && text.chars().count() <= ID_CHARS_MAX).then(|| text.to_owned())
            });
            let tracking_id = fields.optional("tracking_id", "a string or null", Json::as_string);
            Some(TrackingItem { box_id: box_id?, tracking_id })
        })
    }

    /// The command, or the field without which there is nobody to answer, and what was found there.
    fn command(&mut self, kind: CommandKind) -> Result<Command, (&'static str, String)> {
        fn identity<T>(
            fields: &mut Fields<'_, '_>,
            name: &'static str,
            parse: fn(&str) -> Option<T>,
        ) -> Result<T, (&'static str, String)> {
            let json = fields.get(name).ok_or_else(|| (name, "nothing".to_owned()))?;
            json.as_text().and_then(parse).ok_or_else(|| (name, json.to_string()))
        }
        let command_id = identity(self, "command_id", CommandId::parse)?;
        let shipment_id = identity(self, "shipment_id", ShipmentId::parse)?;
        let dry_run = self.flag("dry_run");
        let body = self.body(kind).filter(|_| self.faults.messages.is_empty());
        let body = body.ok_or_else(|| InvalidCommand { message: self.faults.message() });
        Ok(Command { command_id, shipment_id, dry_run, body, kind })
    }

    /// All fields of a type are read before any is missed.
    fn body(&mut self, kind: CommandKind) -> Option<CommandBody> {
        Some(match kind {
            CommandKind::CreateShipment => CommandBody::CreateShipment(Box::new(self.create_shipment()?)),
            CommandKind::ConfirmReady => CommandBody::ConfirmReady,
            CommandKind::SetTracking => {
                let expected = "\"SELLER\" or \"SYSTEM\"";
                let system = self.optional("source", expected, |json| match json.as_text()? {
                    "SELLER" => Some(false),
                    "SYSTEM" => Some(true),
                    _ => None,
                });
                self.required("items", "a list", Some);
                CommandBody::SetTracking { items: self.items("items")?, system: system.unwrap_or(false) }
            }
            CommandKind::SetFreightBill => {
                let freight_bill = self.text("freight_bill");
                let bill_of_lading = self.optional("bill_of_lading", "a string", Json::as_string);
                CommandBody::SetFreightBill { freight_bill: freight_bill?, bill_of_lading }
            }
            CommandKind::ChangeCarrier => {
                let carrier = self.text("carrier");
                let carrier_name = self.carrier_name();
                CommandBody::ChangeCarrier { carrier: carrier?, carrier_name }
            }
            CommandKind::SetDeliveryWindow => CommandBody::SetDeliveryWindow(self.window()?),
            CommandKind::UpdateBoxes => {
                let add = self.boxes("add");
                let remove = self.list("remove", "remove", |faults, index, json| {
                    let id = json.as_text().and_then(BoxId::parse);
                    if id.is_none() {
                        faults.add(format!("`remove[{index}]`: {ID} expected, found {json}"));
                    }
                    id
                });
                CommandBody::UpdateBoxes { add, remove: remove.unwrap_or_default() }
            }
            CommandKind::ChangeDestination => {
                CommandBody::ChangeDestination { fc: self.id("fc", FcId::parse)? }
            }
            CommandKind::ReportReceiving => {
                let expected = "CHECKED_IN, RECEIVING or CLOSED";
                let stage = self.required("stage", expected, |json| named::<Stage>(json.as_text()?));
                CommandBody::ReportReceiving { stage: stage? }
            }
            CommandKind::CancelShipment => CommandBody::CancelShipment,
            CommandKind::AcknowledgeProblem => {
                CommandBody::AcknowledgeProblem { problem_id: self.text("problem_id")? }
            }
        })
    }

    fn create_shipment(&mut self) -> Option<CreateShipment> {
        let account = self.id("account", AccountId::parse);
        let fc = self.id("fc", FcId::parse);
        let mode = self.required("mode", "SPD, LTL or FTL", |json| named::<Mode>(json.as_text()?));
        let carrier = self.text("carrier");
        let carrier_name = self.carrier_name();
        let partnered = self.flag("partnered");
        let boxes = self.boxes("boxes");
        let pallets = self.count("pallets", u32::MAX);
        let delivery_window = self.inner("delivery_window").and_then(|mut fields| fields.window());
        let cross_border = self.flag("cross_border");
        let need_by = self.time("need_by");
        let tracking = self.tracking();
        let created_at = self.time("created_at");
        Some(CreateShipment {
            account: account?,
            fc: fc?,
            mode: mode?,
            carrier: carrier?,
            carrier_name,
            partnered,
            boxes,
            pallets,
            delivery_window,
            cross_border,
            need_by,
            tracking,
            created_at,
        })
    }

    /// A name that is empty names nothing.
    fn carrier_name(&mut self) -> Option<String> {
        self.optional("carrier_name", "a string", Json::as_string).filter(|name| !name.trim().is_empty())
    }

    fn tracking(&mut self) -> Option<SystemTracking> {
        let mut fields = self.inner("tracking")?;
        let items = fields.items("tracking.items");
        let freight_bill = fields.optional("freight_bill", "a string", Json::as_string);
        match (fields.get("items").is_some(), fields.get("freight_bill").is_some()) {
            (true, false) => items.map(SystemTracking::Items),
            (false, true) => freight_bill.map(SystemTracking::FreightBill),
            (both, _) => {
                let found = if both { "both" } else { "neither" };
                let what = "either `items` or `freight_bill`";
                fields.faults.add(format!("`tracking`: {what} expected, found {found}"));
                None
            }
        }
    }
}

/// The fields of an item of a list.
fn item<'f, 'j>(
    faults: &'f mut Faults,
    list: &'static str,
    index: usize,
    json: &'f Json<'j>,
) -> Option<Fields<'f, 'j>> {
    match json {
        Json::Object(object) => Some(Fields { object, within: Within::Item(list, index), faults }),
        other => {
            faults.add(format!("`{list}[{index}]`: an object expected, found {other}"));
            None
        }
    }
}
