package isup

// field is a group of bits of an indicator parameter.
type field struct {
	octet, shift, bits uint8
	name               string
	words              []string
}

func (f *field) of(value []byte) uint8 { return value[f.octet] >> f.shift & (1<<f.bits - 1) }

// Words that several fields share.
var (
	requested  = []string{"not requested", "requested"}
	included   = []string{"not included", "included"}
	indication = []string{"no indication", "yes"}
	services   = []string{"no information", "spare", "request, not essential", "request, essential"}
	answers    = []string{"no information", "not provided", "provided", "spare"}
	reasons    = []string{"unknown/not available", "user busy", "no reply", "unconditional", "deflection during alerting", "deflection immediate response", "mobile subscriber not reachable"}
	blockings  = []string{"no blocking (active)", "locally blocked", "remotely blocked", "locally and remotely blocked"}
	allowances = []string{"no indication", "allowed", "not allowed", "spare"}
	broadband  = []string{"pass on", "discard message", "release call", "discard parameter"}
)

// fields returns the groups of bits of an indicator parameter in the order of the
// standard's letters, nil when it is not made of such.
func fields(code Code) []field {
	switch code {
	case NatureOfConnection:
		return natureFields
	case ForwardCallIndicators:
		return forwardFields
	case BackwardCallIndicators:
		return backwardFields
	}
	for i := range indicators {
		if indicators[i].code == code {
			return indicators[i].fields
		}
	}
	return nil
}

var natureFields = []field{
	{0, 0, 2, "satellite", satellites},
	{0, 2, 2, "continuity check", checks},
	{0, 4, 1, "echo control", outgoingEcho},
}

var forwardFields = []field{
	{0, 0, 1, "national/international", nationality},
	{0, 1, 2, "end-to-end method", endToEnd},
	{0, 3, 1, "interworking", interworking},
	{0, 4, 1, "end-to-end information", endToEndInfo},
	{0, 5, 1, "ISDN user part", isupUsed},
	{0, 6, 2, "ISDN user part preference", preferences},
	{1, 0, 1, "ISDN access", originISDN},
	{1, 1, 2, "SCCP method", sccpMethods},
	{1, 4, 1, "ported number translation", []string{"number not translated", "number translated"}},
	{1, 5, 1, "query on release", []string{"no routing attempt in progress", "routing attempt in progress"}},
}

var backwardFields = []field{
	{0, 0, 2, "charge", []string{"no indication", "no charge", "charge", "spare"}},
	{0, 2, 2, "called party's status", []string{"no indication", "subscriber free", "connect when free (national use)", "spare"}},
	{0, 4, 2, "called party's category", []string{"no indication", "ordinary subscriber", "payphone", "spare"}},
	{0, 6, 2, "end-to-end method", endToEnd},
	{1, 0, 1, "interworking", interworking},
	{1, 1, 1, "end-to-end information", endToEndInfo},
	{1, 2, 1, "ISDN user part", isupUsed},
	{1, 3, 1, "holding", requested},
	{1, 4, 1, "ISDN access", []string{"terminating access non-ISDN", "terminating access ISDN"}},
	{1, 5, 1, "echo control", []string{"incoming echo control device not included", "incoming echo control device included"}},
	{1, 6, 2, "SCCP method", sccpMethods},
}

// indicators are the others. Fields lie in octets that the parameter must have,
// or they are left out.
var indicators = [...]struct {
	code   Code
	fields []field
}{
	{OptionalForwardCall, []field{
		{0, 0, 2, "closed user group", []string{"non-CUG call", "spare", "CUG call, outgoing access allowed", "CUG call, outgoing access not allowed"}},
		{0, 2, 1, "simple segmentation", []string{"no additional information will be sent", "additional information will be sent in a segmentation message"}},
		{0, 7, 1, "connected line identity", requested}}},
	{OptionalBackwardCall, []field{
		{0, 0, 1, "in-band information", []string{"no indication", "in-band information or an appropriate pattern is now available"}},
		{0, 1, 1, "call diversion", []string{"no indication", "call diversion may occur"}},
		{0, 2, 1, "simple segmentation", []string{"no additional information will be sent", "additional information will be sent in a segmentation message"}},
		{0, 3, 1, "MLPP user", indication}}},
	{InformationRequest, []field{
		{0, 0, 1, "calling party address", requested}, {0, 1, 1, "holding", requested}, {0, 3, 1, "calling party's category", requested},
		{0, 4, 1, "charge information", requested}, {0, 7, 1, "malicious call identification", requested}}},
	{InformationIndicators, []field{
		{0, 0, 2, "calling party address", []string{"not included", "not available", "spare", "included"}},
		{0, 2, 1, "hold", []string{"not provided", "provided"}}, {0, 5, 1, "calling party's category", included},
		{0, 6, 1, "charge information", included}, {0, 7, 1, "information", []string{"solicited", "unsolicited"}}}},
	{ContinuityIndicators, []field{{0, 0, 1, "continuity check", []string{"failed", "successful"}}}},
	{CircuitGroupSupervision, []field{{0, 0, 2, "type", []string{"maintenance oriented", "hardware failure oriented", "reserved for national use", "spare"}}}},
	{FacilityIndicator, []field{{0, 0, 8, "facility", []string{"spare", "spare", "user-to-user service"}}}},
	{SuspendResumeIndicators, []field{{0, 0, 1, "initiated by", []string{"ISDN subscriber", "network"}}}},
	{RedirectionInformation, []field{
		{0, 0, 3, "redirecting", []string{"no redirection (national use)", "call rerouted (national use)", "call rerouted, all redirection information presentation restricted (national use)",
			"call diverted", "call diverted, all redirection information presentation restricted", "call rerouted, redirection number presentation restricted (national use)",
			"call diverted, redirection number presentation restricted (national use)"}},
		{0, 4, 4, "original reason", reasons[:4]},
		{1, 0, 3, "redirections", nil},
		{1, 4, 4, "reason", reasons}}},
	{AutomaticCongestionLevel, []field{{0, 0, 8, "level", []string{"spare", "congestion level 1 exceeded", "congestion level 2 exceeded"}}}},
	{AccessDelivery, []field{{0, 0, 1, "set-up message", []string{"generated", "not generated"}}}},
	{CallDiversion, []field{
		{0, 0, 3, "notification subscription", []string{"unknown", "presentation not allowed", "presentation allowed with redirection number", "presentation allowed without redirection number"}},
		{0, 3, 4, "reason", reasons}}},
	{EchoControl, []field{
		{0, 0, 2, "outgoing device", []string{"no information", "not included and not available", "included", "not included but available"}},
		{0, 2, 2, "incoming device", []string{"no information", "not included and not available", "included", "not included but available"}},
		{0, 4, 2, "outgoing request", []string{"no information", "activation", "deactivation", "spare"}},
		{0, 6, 2, "incoming request", []string{"no information", "activation", "deactivation", "spare"}}}},
	{MessageCompatibility, []field{
		{0, 0, 1, "transit", []string{"transit interpretation", "end node interpretation"}},
		{0, 1, 1, "release call", indication}, {0, 2, 1, "send notification", indication}, {0, 3, 1, "discard message", indication},
		{0, 4, 1, "pass on not possible", []string{"release call", "discard information"}}, {0, 5, 2, "broadband interworking", broadband}}},
	{MLPPPrecedence, []field{
		{0, 5, 2, "look ahead for busy", []string{"allowed", "path reserved", "not allowed", "spare"}},
		{0, 0, 4, "precedence", []string{"flash override", "flash", "immediate", "priority", "routine"}}}},
	{MCIDRequest, []field{{0, 0, 1, "malicious call identification", requested}, {0, 1, 1, "holding", requested}}},
	{MCIDResponse, []field{{0, 0, 1, "malicious call identification", included}, {0, 1, 1, "holding", []string{"not provided", "provided"}}}},
	{HopCounter, []field{{0, 0, 5, "hops left", nil}}},
	{RedirectCounter, []field{{0, 0, 5, "redirects left", nil}}},
	{RedirectionRestriction, []field{{0, 0, 2, "redirection number", []string{"presentation allowed", "presentation restricted", "spare", "spare"}}}},
	{CallTransferReference, []field{{0, 0, 8, "call transfer identity", nil}}},
	{CCSS, []field{{0, 0, 1, "CCSS call", indication}}},
	{NetworkManagement, []field{{0, 0, 1, "temporary alternative routing", []string{"no indication", "controlled call"}}}},
	{CallDiversionTreatment, []field{{0, 0, 2, "call diversion", allowances}}},
	{CallOfferingTreatment, []field{{0, 0, 2, "call offering", []string{"no indication", "not allowed", "allowed", "spare"}}}},
	{ConferenceTreatment, []field{{0, 0, 2, "conference", []string{"no indication", "accept request", "reject request", "spare"}}}},
	{UIDActionIndicators, []field{
		{0, 0, 1, "through-connection", []string{"no indication", "through-connect in both directions"}},
		{0, 1, 1, "T9", []string{"no indication", "stop or do not start"}}}},
	{UIDCapabilityIndicators, []field{
		{0, 0, 1, "through-connection", []string{"no indication", "modification possible"}},
		{0, 1, 1, "T9", []string{"no indication", "stopping possible"}}}},
	{CollectCallRequest, []field{{0, 0, 1, "collect call", requested}}},
	{TransmissionMedium, []field{{0, 0, 8, "", media}}},
	{TransmissionMediumUsed, []field{{0, 0, 8, "", media}}},
	{TransmissionMediumPrime, []field{{0, 0, 8, "", media}}},
	{CallingPartyCategory, []field{{0, 0, 8, "", categories}}},
	{EventInformation, []field{{0, 0, 7, "", events}, {0, 7, 1, "presentation", hidings}}},
}

// Of circuit states (Q.763 3.14), user-to-user indicators (3.60) and loop
// prevention (3.67) the meaning of some bits depends on others.
var (
	transientFields = []field{{0, 0, 2, "", []string{"transient", "spare", "spare", "unequipped"}}}
	stateFields     = []field{
		{0, 2, 2, "", []string{"", "incoming busy", "outgoing busy", "idle"}},
		{0, 0, 2, "maintenance", blockings},
		{0, 4, 2, "hardware", blockings}}
	userRequest = []field{
		{0, 0, 1, "type", []string{"request", "response"}},
		{0, 1, 2, "service 1", services}, {0, 3, 2, "service 2", services}, {0, 5, 2, "service 3", services}}
	userResponse = []field{
		{0, 0, 1, "type", []string{"request", "response"}},
		{0, 1, 2, "service 1", answers}, {0, 3, 2, "service 2", answers}, {0, 5, 2, "service 3", answers},
		{0, 7, 1, "user-to-user information", []string{"no information", "discarded by the network"}}}
	loopRequest  = []field{{0, 0, 1, "type", []string{"request", "response"}}}
	loopResponse = []field{
		{0, 0, 1, "type", []string{"request", "response"}},
		{0, 1, 2, "response", []string{"insufficient information", "no loop exists", "simultaneous transfer", "spare"}}}
	parameterFields = []field{
		{0, 0, 1, "transit", []string{"transit interpretation", "end node interpretation"}},
		{0, 1, 1, "release call", indication}, {0, 2, 1, "send notification", indication}, {0, 3, 1, "discard message", indication},
		{0, 4, 1, "discard parameter", indication},
		{0, 5, 2, "pass on not possible", []string{"release call", "discard message", "discard parameter", "spare"}}}
)
