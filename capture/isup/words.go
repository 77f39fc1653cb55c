package isup

// Words for codes, from Q.763, Q.850 and Q.931, indexed by code: an empty one is
// spare, as is what is behind the last.
var (
	natures = []string{"spare", "subscriber number (national use)", "unknown (national use)", "national (significant) number", "international number",
		"network-specific number (national use)", "network routing number in national (significant) number format (national use)",
		"network routing number in network-specific number format (national use)",
		"network routing number concatenated with called directory number (national use)"}
	plans = []string{"spare", "ISDN (Telephony) numbering plan (ITU-T Recommendation E.164)", "spare",
		"Data numbering plan (ITU-T Recommendation X.121) (national use)", "Telex numbering plan (ITU-T Recommendation F.69) (national use)",
		"private numbering plan (national use)", "reserved for national use"}
	internalNumbers = []string{"routing to internal network number allowed", "routing to internal network number not allowed"}
	incompletes     = []string{"complete", "incomplete"}
	presentations   = []string{"presentation allowed", "presentation restricted", "address not available (national use)", "reserved for restriction by the network"}
	screenings      = []string{"reserved", "user provided, verified and passed", "reserved", "network provided"}
	allScreenings   = []string{"user provided, not verified", "user provided, verified and passed", "user provided, verified and failed", "network provided"}
	qualifiers      = []string{"dialled digits (national use)", "additional called number (national use)", "supplementary user provided calling number, failed network screening (national use)",
		"supplementary user provided calling number, not screened (national use)", "redirecting terminating number (national use)", "additional connected number",
		"additional calling party number", "additional original called number", "additional redirecting number", "additional redirection number"}

	categories = []string{"calling party's category unknown at this time (national use)", "operator, language French", "operator, language English",
		"operator, language German", "operator, language Russian", "operator, language Spanish", "available to administrations",
		"available to administrations", "available to administrations", "reserved (national use)", "ordinary calling subscriber",
		"calling subscriber with priority", "data call (voice band data)", "test call", "IEPS call", "payphone"}
	media = []string{"speech", "spare", "64 kbit/s unrestricted", "3.1 kHz audio",
		"reserved for alternate speech (service 2)/64 kbit/s unrestricted (service 1)",
		"reserved for alternate 64 kbit/s unrestricted (service 1)/speech (service 2)", "64 kbit/s preferred", "2 × 64 kbit/s unrestricted",
		"384 kbit/s unrestricted", "1536 kbit/s unrestricted", "1920 kbit/s unrestricted", "", "", "", "", "", "3 × 64 kbit/s unrestricted",
		"4 × 64 kbit/s unrestricted", "5 × 64 kbit/s unrestricted", "", "7 × 64 kbit/s unrestricted", "8 × 64 kbit/s unrestricted",
		"9 × 64 kbit/s unrestricted", "10 × 64 kbit/s unrestricted", "11 × 64 kbit/s unrestricted", "12 × 64 kbit/s unrestricted",
		"13 × 64 kbit/s unrestricted", "14 × 64 kbit/s unrestricted", "15 × 64 kbit/s unrestricted", "16 × 64 kbit/s unrestricted",
		"17 × 64 kbit/s unrestricted", "18 × 64 kbit/s unrestricted", "19 × 64 kbit/s unrestricted", "20 × 64 kbit/s unrestricted",
		"21 × 64 kbit/s unrestricted", "22 × 64 kbit/s unrestricted", "23 × 64 kbit/s unrestricted", "", "25 × 64 kbit/s unrestricted",
		"26 × 64 kbit/s unrestricted", "27 × 64 kbit/s unrestricted", "28 × 64 kbit/s unrestricted", "29 × 64 kbit/s unrestricted"}

	satellites   = []string{"no satellite circuit in the connection", "one satellite circuit in the connection", "two satellite circuits in the connection", "spare"}
	checks       = []string{"continuity check not required", "continuity check required on this circuit", "continuity check performed on a previous circuit", "spare"}
	outgoingEcho = []string{"outgoing echo control device not included", "outgoing echo control device included"}

	nationality  = []string{"call to be treated as a national call", "call to be treated as an international call"}
	endToEnd     = []string{"no end-to-end method available (only link-by-link method available)", "pass-along method available (national use)", "SCCP method available", "pass-along and SCCP methods available (national use)"}
	interworking = []string{"no interworking encountered (No. 7 signalling all the way)", "interworking encountered"}
	endToEndInfo = []string{"no end-to-end information available", "end-to-end information available"}
	isupUsed     = []string{"ISDN user part not used all the way", "ISDN user part used all the way"}
	preferences  = []string{"ISDN user part preferred all the way", "ISDN user part not required all the way", "ISDN user part required all the way", "spare"}
	originISDN   = []string{"originating access non-ISDN", "originating access ISDN"}
	sccpMethods  = []string{"no indication", "connectionless method available (national use)", "connection oriented method available", "connectionless and connection oriented methods available (national use)"}

	events  = []string{"spare", "ALERTING", "PROGRESS", "in-band information or an appropriate pattern is now available", "call forwarded on busy (national use)", "call forwarded on no reply (national use)", "call forwarded unconditional (national use)"}
	hidings = []string{"no indication", "presentation restricted"}

	causeStandards = []string{"ITU-T", "ISO/IEC", "National", "Specific"}
	causeLocations = []string{"user (U)", "private network serving the local user (LPN)", "public network serving the local user (LN)", "transit network (TN)",
		"public network serving the remote user (RLN)", "private network serving the remote user (RPN)", "", "international network (INTL)", "", "",
		"network beyond interworking point (BI)"}
	causeClasses = []string{"normal event", "normal event", "resource unavailable", "service or option not available", "service or option not implemented", "invalid message", "protocol error", "interworking"}

	codingStandards = []string{"ITU-T standardized coding", "ISO/IEC Standard", "National standard", "Standard defined for the network"}
	assignmentMaps  = []string{"", "1544 kbit/s digital path", "2048 kbit/s digital path"}
	transferModes   = []string{"Circuit mode", "", "Packet mode"}
)

// word returns words[n], or "spare".
func word(words []string, n uint8) string {
	if int(n) < len(words) && words[n] != "" {
		return words[n]
	}
	return "spare"
}

// capability names an information transfer capability (Q.931 4.5.5).
func capability(n uint8) string {
	switch n {
	case 0x00:
		return "Speech"
	case 0x08:
		return "Unrestricted digital information"
	case 0x09:
		return "Restricted digital information"
	case 0x10:
		return "3.1 kHz audio"
	case 0x11:
		return "Unrestricted digital information with tones/announcements"
	case 0x18:
		return "Video"
	}
	return "Unknown"
}

// rate names an information transfer rate.
func rate(n uint8) string {
	switch n {
	case 0x00:
		return "packet-mode calls"
	case 0x10:
		return "64 kbit/s"
	case 0x11:
		return "2 × 64 kbit/s"
	case 0x13:
		return "384 kbit/s"
	case 0x15:
		return "1536 kbit/s"
	case 0x17:
		return "1920 kbit/s"
	case 0x18:
		return "Multirate (64 kbit/s base rate)"
	}
	return "Unknown"
}

// layer1 names a user information layer 1 protocol.
func layer1(n uint8) string {
	switch n {
	case 0x01:
		return "V.110, I.460 and X.30"
	case 0x02:
		return "G.711 u-law"
	case 0x03:
		return "G.711 a-law"
	case 0x04:
		return "G.721 ADPCM"
	case 0x05:
		return "H.221 and H.242"
	case 0x06:
		return "H.223 and H.245"
	case 0x07:
		return "Non-ITU-T standardized rate adaption"
	case 0x08:
		return "V.120"
	case 0x09:
		return "X.31"
	}
	return "Unknown"
}

// causeText returns a cause value in Q.850's words, or "".
func causeText(n uint8) string {
	if int(n) < len(causeTexts) {
		return causeTexts[n]
	}
	return ""
}

var causeTexts = [...]string{
	1:   "Unallocated (unassigned) number",
	2:   "No route to specified transit network",
	3:   "No route to destination",
	4:   "Send special information tone",
	5:   "Misdialled trunk prefix",
	6:   "Channel unacceptable",
	7:   "Call awarded and being delivered in an established channel",
	8:   "Preemption",
	9:   "Preemption - circuit reserved for reuse",
	14:  "QoR: ported number",
	16:  "Normal call clearing",
	17:  "User busy",
	18:  "No user responding",
	19:  "No answer from user (user alerted)",
	20:  "Subscriber absent",
	21:  "Call rejected",
	22:  "Number changed",
	23:  "Redirection to new destination",
	24:  "Call rejected due to feature at the destination",
	25:  "Exchange routing error",
	26:  "Non-selected user clearing",
	27:  "Destination out of order",
	28:  "Invalid number format (address incomplete)",
	29:  "Facility rejected",
	30:  "Response to STATUS ENQUIRY",
	31:  "Normal, unspecified",
	34:  "No circuit/channel available",
	38:  "Network out of order",
	39:  "Permanent frame mode connection out of service",
	40:  "Permanent frame mode connection operational",
	41:  "Temporary failure",
	42:  "Switching equipment congestion",
	43:  "Access information discarded",
	44:  "Requested circuit/channel not available",
	46:  "Precedence call blocked",
	47:  "Resource unavailable, unspecified",
	49:  "Quality of service not available",
	50:  "Requested facility not subscribed",
	53:  "Outgoing calls barred within CUG",
	55:  "Incoming calls barred within CUG",
	57:  "Bearer capability not authorized",
	58:  "Bearer capability not presently available",
	62:  "Inconsistency in designated outgoing access information and subscriber class",
	63:  "Service or option not available, unspecified",
	65:  "Bearer capability not implemented",
	66:  "Channel type not implemented",
	69:  "Requested facility not implemented",
	70:  "Only restricted digital information bearer capability is available",
	79:  "Service or option not implemented, unspecified",
	81:  "Invalid call reference value",
	82:  "Identified channel does not exist",
	83:  "A suspended call exists, but this call identity does not",
	84:  "Call identity in use",
	85:  "No call suspended",
	86:  "Call having the requested call identity has been cleared",
	87:  "User not member of CUG",
	88:  "Incompatible destination",
	90:  "Non-existent CUG",
	91:  "Invalid transit network selection",
	95:  "Invalid message, unspecified",
	96:  "Mandatory information element is missing",
	97:  "Message type non-existent or not implemented",
	98:  "Message not compatible with call state or message type non-existent or not implemented",
	99:  "Information element/parameter non-existent or not implemented",
	100: "Invalid information element contents",
	101: "Message not compatible with call state",
	102: "Recovery on timer expiry",
	103: "Parameter non-existent or not implemented, passed on",
	110: "Message with unrecognized parameter, discarded",
	111: "Protocol error, unspecified",
	127: "Interworking, unspecified",
}
