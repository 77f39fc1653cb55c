package isup

// Type is a message type code (Q.763 table 4).
type Type uint8

// The message types that matter to the life of a call, and those of groups of
// circuits.
const (
	IAM  Type = 1
	COT  Type = 5
	ACM  Type = 6
	CON  Type = 7
	ANM  Type = 9
	REL  Type = 12
	RLC  Type = 16
	RSC  Type = 18
	GRS  Type = 23
	CGB  Type = 24
	CGU  Type = 25
	CGBA Type = 26
	CGUA Type = 27
	GRA  Type = 41
	CQM  Type = 42
	CQR  Type = 43
	CPG  Type = 44
	UCIC Type = 46
)

// Known reports whether Q.763 defines the type.
func (t Type) Known() bool { return t.format().name != "" }

// String returns the acronym that captagent uses, with its AMN for Answer, or
// "" of an unknown type.
func (t Type) String() string { return t.format().name }

// Title returns the type's name in words (Q.762), or "".
func (t Type) Title() string { return t.format().title }

func (t Type) format() format {
	if int(t) < len(formats) {
		return formats[t]
	}
	return format{}
}

// format says how a message is laid out (Q.763 4, tables 21 and on).
type format struct {
	name, title string
	fixed       []fixed
	variable    []Code
	optional    bool // there is a pointer to an optional part
	opaque      bool // what follows the type is a national matter, another message or reserved
}

// fixed is a parameter of the mandatory fixed part.
type fixed struct {
	code Code
	size int // octets
}

// Parts that several types share.
var (
	backwardCall = []fixed{{BackwardCallIndicators, 2}}
	suspension   = []fixed{{SuspendResumeIndicators, 1}}
	facility     = []fixed{{FacilityIndicator, 1}}
	supervision  = []fixed{{CircuitGroupSupervision, 1}}
	group        = []Code{RangeAndStatus}
	cause        = []Code{CauseIndicators}
)

var formats = [...]format{
	1: {name: "IAM", title: "Initial address", optional: true, variable: []Code{CalledPartyNumber},
		fixed: []fixed{{NatureOfConnection, 1}, {ForwardCallIndicators, 2}, {CallingPartyCategory, 1}, {TransmissionMedium, 1}}},
	2:  {name: "SAM", title: "Subsequent address", variable: []Code{SubsequentNumber}, optional: true},
	3:  {name: "INR", title: "Information request", fixed: []fixed{{InformationRequest, 2}}, optional: true},
	4:  {name: "INF", title: "Information", fixed: []fixed{{InformationIndicators, 2}}, optional: true},
	5:  {name: "COT", title: "Continuity", fixed: []fixed{{ContinuityIndicators, 1}}},
	6:  {name: "ACM", title: "Address complete", fixed: backwardCall, optional: true},
	7:  {name: "CON", title: "Connect", fixed: backwardCall, optional: true},
	8:  {name: "FOT", title: "Forward transfer", optional: true},
	9:  {name: "AMN", title: "Answer", optional: true},
	12: {name: "REL", title: "Release", variable: cause, optional: true},
	13: {name: "SUS", title: "Suspend", fixed: suspension, optional: true},
	14: {name: "RES", title: "Resume", fixed: suspension, optional: true},
	16: {name: "RLC", title: "Release complete", optional: true},
	17: {name: "CCR", title: "Continuity check request"},
	18: {name: "RSC", title: "Reset circuit"},
	19: {name: "BLO", title: "Blocking"},
	20: {name: "UBL", title: "Unblocking"},
	21: {name: "BLA", title: "Blocking acknowledgement"},
	22: {name: "UBA", title: "Unblocking acknowledgement"},
	23: {name: "GRS", title: "Circuit group reset", variable: group},
	24: {name: "CGB", title: "Circuit group blocking", fixed: supervision, variable: group},
	25: {name: "CGU", title: "Circuit group unblocking", fixed: supervision, variable: group},
	26: {name: "CGBA", title: "Circuit group blocking acknowledgement", fixed: supervision, variable: group},
	27: {name: "CGUA", title: "Circuit group unblocking acknowledgement", fixed: supervision, variable: group},
	31: {name: "FAR", title: "Facility request", fixed: facility, optional: true},
	32: {name: "FAA", title: "Facility accepted", fixed: facility, optional: true},
	33: {name: "FRJ", title: "Facility reject", fixed: facility, variable: cause, optional: true},
	36: {name: "LPA", title: "Loop back acknowledgement"},
	40: {name: "PAM", title: "Pass-along", opaque: true},
	41: {name: "GRA", title: "Circuit group reset acknowledgement", variable: group},
	42: {name: "CQM", title: "Circuit group query", variable: group},
	43: {name: "CQR", title: "Circuit group query response", variable: []Code{RangeAndStatus, CircuitState}},
	44: {name: "CPG", title: "Call progress", fixed: []fixed{{EventInformation, 1}}, optional: true},
	45: {name: "USR", title: "User-to-user information", variable: []Code{UserToUserInformation}, optional: true},
	46: {name: "UCIC", title: "Unequipped CIC"},
	47: {name: "CFN", title: "Confusion", variable: cause, optional: true},
	48: {name: "OLM", title: "Overload"},
	49: {name: "CRG", title: "Charge information", opaque: true},
	50: {name: "NRM", title: "Network resource management", optional: true},
	51: {name: "FAC", title: "Facility", optional: true},
	52: {name: "UPT", title: "User part test", optional: true},
	53: {name: "UPA", title: "User part available", optional: true},
	54: {name: "IDR", title: "Identification request", optional: true},
	55: {name: "IDS", title: "Identification response", optional: true},
	56: {name: "SEG", title: "Segmentation", optional: true},
	64: {name: "LPR", title: "Loop prevention", optional: true},
	65: {name: "APT", title: "Application transport", optional: true},
	66: {name: "PRI", title: "Pre-release information", optional: true},
	67: {name: "SAN", title: "Subsequent directory number", optional: true},
}
