package isup

// Code is a parameter's name code (Q.763 table 5).
type Code uint8

// The parameters that are taken apart.
const (
	EndOfOptional            Code = 0
	CallReference            Code = 1
	TransmissionMedium       Code = 2
	AccessTransport          Code = 3
	CalledPartyNumber        Code = 4
	SubsequentNumber         Code = 5
	NatureOfConnection       Code = 6
	ForwardCallIndicators    Code = 7
	OptionalForwardCall      Code = 8
	CallingPartyCategory     Code = 9
	CallingPartyNumber       Code = 10
	RedirectingNumber        Code = 11
	RedirectionNumber        Code = 12
	ConnectionRequest        Code = 13
	InformationRequest       Code = 14
	InformationIndicators    Code = 15
	ContinuityIndicators     Code = 16
	BackwardCallIndicators   Code = 17
	CauseIndicators          Code = 18
	RedirectionInformation   Code = 19
	CircuitGroupSupervision  Code = 21
	RangeAndStatus           Code = 22
	FacilityIndicator        Code = 24
	ClosedUserGroup          Code = 26
	UserServiceInformation   Code = 29
	SignallingPointCode      Code = 30
	UserToUserInformation    Code = 32
	ConnectedNumber          Code = 33
	SuspendResumeIndicators  Code = 34
	TransitNetworkSelection  Code = 35
	EventInformation         Code = 36
	CircuitAssignmentMap     Code = 37
	CircuitState             Code = 38
	AutomaticCongestionLevel Code = 39
	OriginalCalledNumber     Code = 40
	OptionalBackwardCall     Code = 41
	UserToUserIndicators     Code = 42
	OriginationPointCode     Code = 43
	GenericNotification      Code = 44
	CallHistory              Code = 45
	AccessDelivery           Code = 46
	UserServicePrime         Code = 48
	PropagationDelay         Code = 49
	UserTeleservice          Code = 52
	TransmissionMediumUsed   Code = 53
	CallDiversion            Code = 54
	EchoControl              Code = 55
	MessageCompatibility     Code = 56
	ParameterCompatibility   Code = 57
	MLPPPrecedence           Code = 58
	MCIDRequest              Code = 59
	MCIDResponse             Code = 60
	HopCounter               Code = 61
	TransmissionMediumPrime  Code = 62
	LocationNumber           Code = 63
	RedirectionRestriction   Code = 64
	CallTransferReference    Code = 67
	LoopPrevention           Code = 68
	CallTransferNumber       Code = 69
	CCSS                     Code = 75
	NetworkManagement        Code = 91
	CallDiversionTreatment   Code = 110
	CalledINNumber           Code = 111
	CallOfferingTreatment    Code = 112
	ConferenceTreatment      Code = 114
	DisplayInformation       Code = 115
	UIDActionIndicators      Code = 116
	UIDCapabilityIndicators  Code = 117
	RedirectCounter          Code = 119
	ApplicationTransport     Code = 120
	CollectCallRequest       Code = 121
	GenericNumber            Code = 192
	GenericDigits            Code = 193
)

// String returns the parameter's name (Q.762), or "" when it is unknown.
func (c Code) String() string { return c.description().name }

// least returns how many octets the parameter has at least.
func (c Code) least() int { return c.description().least }

func (c Code) description() description {
	switch {
	case int(c) < len(descriptions):
		return descriptions[c]
	case c >= GenericNumber && int(c-GenericNumber) < len(genericDescriptions):
		return genericDescriptions[c-GenericNumber]
	}
	return description{}
}

// description is what Q.763 says of a parameter as a whole.
type description struct {
	name  string
	least int // octets
}

var genericDescriptions = [...]description{{"Generic number", 3}, {"Generic digits", 1}}

var descriptions = [...]description{
	1:   {"Call reference", 5},
	2:   {"Transmission medium requirement", 1},
	3:   {"Access transport", 1},
	4:   {"Called party number", 2},
	5:   {"Subsequent number", 1},
	6:   {"Nature of connection indicators", 1},
	7:   {"Forward call indicators", 2},
	8:   {"Optional forward call indicators", 1},
	9:   {"Calling party's category", 1},
	10:  {"Calling party number", 2},
	11:  {"Redirecting number", 2},
	12:  {"Redirection number", 2},
	13:  {"Connection request", 5},
	14:  {"Information request indicators", 2},
	15:  {"Information indicators", 2},
	16:  {"Continuity indicators", 1},
	17:  {"Backward call indicators", 2},
	18:  {"Cause indicators", 2},
	19:  {"Redirection information", 1},
	21:  {"Circuit group supervision message type", 1},
	22:  {"Range and status", 1},
	24:  {"Facility indicator", 1},
	26:  {"Closed user group interlock code", 4},
	29:  {"User service information", 2},
	30:  {"Signalling point code", 2},
	32:  {"User-to-user information", 1},
	33:  {"Connected number", 2},
	34:  {"Suspend/resume indicators", 1},
	35:  {"Transit network selection", 1},
	36:  {"Event information", 1},
	37:  {"Circuit assignment map", 5},
	38:  {"Circuit state indicator", 1},
	39:  {"Automatic congestion level", 1},
	40:  {"Original called number", 2},
	41:  {"Optional backward call indicators", 1},
	42:  {"User-to-user indicators", 1},
	43:  {"Origination ISC point code", 2},
	44:  {"Generic notification indicator", 1},
	45:  {"Call history information", 2},
	46:  {"Access delivery information", 1},
	47:  {"Network specific facility", 1},
	48:  {"User service information prime", 2},
	49:  {"Propagation delay counter", 2},
	50:  {"Remote operations", 1},
	51:  {"Service activation", 1},
	52:  {"User teleservice information", 2},
	53:  {"Transmission medium used", 1},
	54:  {"Call diversion information", 1},
	55:  {"Echo control information", 1},
	56:  {"Message compatibility information", 1},
	57:  {"Parameter compatibility information", 2},
	58:  {"MLPP precedence", 6},
	59:  {"MCID request indicators", 1},
	60:  {"MCID response indicators", 1},
	61:  {"Hop counter", 1},
	62:  {"Transmission medium requirement prime", 1},
	63:  {"Location number", 2},
	64:  {"Redirection number restriction", 1},
	67:  {"Call transfer reference", 1},
	68:  {"Loop prevention indicators", 1},
	69:  {"Call transfer number", 2},
	75:  {"CCSS", 1},
	76:  {"Forward GVNS", 1},
	77:  {"Backward GVNS", 1},
	78:  {"Redirect capability", 1},
	91:  {"Network management controls", 1},
	101: {"Correlation id", 1},
	102: {"SCF id", 1},
	110: {"Call diversion treatment indicators", 1},
	111: {"Called IN number", 2},
	112: {"Call offering treatment indicators", 1},
	113: {"Charged party identification", 1},
	114: {"Conference treatment indicators", 1},
	115: {"Display information", 1},
	116: {"UID action indicators", 1},
	117: {"UID capability indicators", 1},
	119: {"Redirect counter", 1},
	120: {"Application transport", 1},
	121: {"Collect call request", 1},
	122: {"CCNR possible indicator", 1},
	123: {"Pivot capability", 1},
	124: {"Pivot routing indicators", 1},
	125: {"Called directory number", 2},
	127: {"Original called IN number", 2},
	129: {"Calling geodetic location", 1},
	130: {"HTR information", 1},
	132: {"Network routing number", 1},
	133: {"Query on release capability", 1},
	134: {"Pivot status", 1},
	135: {"Pivot counter", 1},
	136: {"Pivot routing forward information", 1},
	137: {"Pivot routing backward information", 1},
	138: {"Redirect status", 1},
	139: {"Redirect forward information", 1},
	140: {"Redirect backward information", 1},
	141: {"Number portability forward information", 1},
}
