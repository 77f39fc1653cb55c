package sigtran

// Message classes.
const (
	ClassMGMT  = 0  // management
	ClassDATA  = 1  // transfer, M3UA
	ClassSSNM  = 2  // signalling network management, M3UA
	ClassASPSM = 3  // ASP state maintenance
	ClassASPTM = 4  // ASP traffic maintenance
	ClassMAUP  = 6  // MTP2 user adaptation, M2UA
	ClassRKM   = 9  // routing key management, M3UA
	ClassIIM   = 10 // interface identifier management, M2UA
	ClassM2PA  = 11
)

// Message types of the classes that carry MSUs, the same in all three layers.
const (
	TypeData       = 1 // M3UA DATA, M2UA Data, M2PA User Data
	TypeLinkStatus = 2 // M2PA
)

// typeName returns the name of a message type as its RFC has it (4666 3.1.2,
// 3331 3.1.3, 4165 2.1), or "" when the layer has no such type.
func typeName(k Kind, class, typ uint8) string {
	var names []string
	switch {
	case k == M2PA:
		if class == ClassM2PA {
			names = userDataTypes
		}
	case k != M3UA && k != M2UA:
	case class == ClassMGMT:
		if typ == 0 {
			return "ERR"
		}
		names = managementTypes
	case class == ClassASPSM:
		names = stateTypes
	case class == ClassASPTM:
		names = trafficTypes
	case class == ClassDATA && k == M3UA:
		names = transferTypes
	case class == ClassSSNM && k == M3UA:
		names = networkTypes
	case class == ClassRKM && k == M3UA, class == ClassIIM && k == M2UA:
		names = registrationTypes
	case class == ClassMAUP && k == M2UA:
		names = linkTypes
	}
	if typ == 0 || int(typ) > len(names) {
		return ""
	}
	return names[typ-1]
}

// Names of the types of a class, from type 1 on.
var (
	managementTypes   = []string{"NTFY"}
	transferTypes     = []string{"DATA"}
	networkTypes      = []string{"DUNA", "DAVA", "DAUD", "SCON", "DUPU", "DRST"}
	stateTypes        = []string{"ASPUP", "ASPDN", "BEAT", "ASPUP ACK", "ASPDN ACK", "BEAT ACK"}
	trafficTypes      = []string{"ASPAC", "ASPIA", "ASPAC ACK", "ASPIA ACK"}
	registrationTypes = []string{"REG REQ", "REG RSP", "DEREG REQ", "DEREG RSP"}
	linkTypes         = []string{"Data", "Establish Request", "Establish Confirm", "Release Request", "Release Confirm", "Release Indication",
		"State Request", "State Confirm", "State Indication", "Data Retrieval Request", "Data Retrieval Confirm", "Data Retrieval Indication",
		"Data Retrieval Complete Indication", "Congestion Indication", "Data Acknowledge"}
	userDataTypes = []string{"User Data", "Link Status"}
	linkStates    = []string{"Alignment", "Proving Normal", "Proving Emergency", "Ready", "Processor Outage", "Processor Recovered", "Busy", "Busy Ended", "Out of Service"}
)

// ServiceName names a service indicator (Q.704 14.2.1), or returns "".
func ServiceName(si uint8) string {
	switch si {
	case 0:
		return "SNM"
	case 1, 2:
		return "SNT"
	case SCCP:
		return "SCCP"
	case 4:
		return "TUP"
	case ISUP:
		return "ISUP"
	case 9:
		return "B-ISUP"
	case 10:
		return "S-ISUP"
	case 12:
		return "AAL2"
	case 13:
		return "BICC"
	case 14:
		return "GCP"
	}
	return ""
}

// NetworkName names a network indicator (Q.704 14.2.2).
func NetworkName(ni uint8) string {
	switch ni & 3 {
	case 0:
		return "international"
	case 1:
		return "international spare"
	case 2:
		return "national"
	}
	return "national spare"
}
