package metrics

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"heptap/buffer"
	"heptap/capture"
	"heptap/capture/record"
	"heptap/capture/stream"
	"heptap/firmware/internal/clock"
	"heptap/firmware/internal/health"
	"heptap/firmware/internal/intake"
	"heptap/firmware/internal/packets"
	"heptap/firmware/internal/probe"
	"heptap/firmware/internal/recent"
	"heptap/firmware/internal/syslogd"
	"heptap/firmware/internal/uplink"
	"heptap/hal"
)

// Sources are the stages. A nil one is left out.
type Sources struct {
	Version string
	Probe   func() probe.Stats
	Uplink  func() uplink.Stats
	Ways    func() []Way
	Spool   func() buffer.Stats
	Health  func() health.Snapshot
	Recent  func() recent.Stats
	Packets func() packets.Stats
	Intake  func() intake.Stats
	Hidden  func() string // what is said of what the filters hide, in lines
	Lines   func() syslogd.Stats
	Cut     func() uint64 // messages cut to the size that the collector takes
	Old     func() uint64 // records left out because the collector keeps none so old
	Clock   func() clock.State
	Reset   func() (cause string) // why the box was started, in a word; empty where nobody says
	Sensors func() (temperatures []hal.Temperature, wear []hal.Wear)
	Budget  int64 // octets the probe may use at most
}

// Sample is one value of one metric.
type Sample struct {
	Name   string
	Help   string
	Labels []string // name, value, name, value, ...
	Value  float64
	Gauge  bool
}

// Text is the sample in a line.
func (m *Sample) Text() string {
	var labels []string
	for i := 0; i < len(m.Labels); i += 2 {
		labels = append(labels, m.Labels[i]+"="+m.Labels[i+1])
	}
	return fmt.Sprintf("%-44s %-40s %s\n", strings.TrimPrefix(m.Name, "heptap_"), strings.Join(labels, " "), strconv.FormatFloat(m.Value, 'f', -1, 64))
}

// Read asks every stage and returns all samples, those of one metric together.
func (s *Sources) Read() []Sample {
	var l list
	l.gauge("heptap_build_info", "The running version.", 1, "version", s.Version)
	l.gauge("heptap_memory_budget_bytes", "Octets the probe may use at most, as printed at start.", float64(s.Budget))
	if s.Probe != nil {
		st := s.Probe()
		for i := range st.Inputs {
			l.input(&st.Inputs[i])
		}
		l.pipeline(&st)
		l.trace(&st.Trace)
		l.filters(st.Readers)
		l.beyond(st.Beyond)
		l.assembly(&st.Assembly)
		if st.ISUP != nil {
			l.isup(st.ISUP)
		}
		for i := range st.Ports {
			l.mirror(&st.Ports[i])
		}
	}
	if s.Lines != nil {
		st := s.Lines()
		l.received(&st)
	}
	if s.Intake != nil {
		st := s.Intake()
		l.intake(&st)
	}
	if s.Cut != nil {
		l.counter("heptap_sip_cut_to_frame_total", "SIP messages and log records cut to the largest HEP packet that the collector takes.", s.Cut())
	}
	if s.Old != nil {
		l.counter("heptap_too_old_total", "Records filtered because the collector keeps none so old, where they could not be held back.", s.Old())
	}
	if s.Uplink != nil {
		st := s.Uplink()
		l.uplink(&st)
	}
	if s.Ways != nil {
		for _, w := range s.Ways() {
			l.way(&w, time.Now())
		}
	}
	if s.Spool != nil {
		st := s.Spool()
		l.spool(&st)
		if s.Uplink != nil {
			l.backlogs(s.Uplink().Collectors, st.Held.Total())
		}
	}
	if s.Packets != nil {
		st := s.Packets()
		l.packets(&st)
	}
	if s.Recent != nil {
		st := s.Recent()
		l.recent(&st)
	}
	if s.Clock != nil {
		st := s.Clock()
		l.clock(&st)
	}
	if s.Reset != nil {
		if cause := s.Reset(); cause != "" {
			l.gauge("heptap_box_last_reset", "Why the box was started: the label says so.", 1, "cause", cause)
		}
	}
	if s.Sensors != nil {
		l.sensors(s.Sensors())
	}
	if s.Health != nil {
		st := s.Health()
		l.gauge("heptap_health_level", "The worst of all conditions: 0 ok, 1 degraded, 2 fault.", float64(st.Level))
		for _, c := range st.Conditions {
			l.gauge("heptap_condition_level", "Each condition that is not ok.", float64(c.Level), "condition", c.Name)
		}
	}
	return l.grouped()
}

// WriteText prints the samples that are not zero, one a line, and what is said
// of the mirror ports and of the recent records.
func (s *Sources) WriteText(w io.Writer) error {
	for _, m := range s.Read() {
		if m.Value == 0 {
			continue
		}
		if _, err := io.WriteString(w, m.Text()); err != nil {
			return err
		}
	}
	if s.Probe != nil {
		for _, p := range s.Probe().Ports {
			if _, err := io.WriteString(w, p.Report); err != nil {
				return err
			}
		}
	}
	if s.Hidden != nil {
		if _, err := io.WriteString(w, s.Hidden()); err != nil {
			return err
		}
	}
	if s.Packets != nil {
		if _, err := io.WriteString(w, packetsText(s.Packets())); err != nil {
			return err
		}
	}
	if s.Recent != nil {
		if _, err := io.WriteString(w, recentText(s.Recent())); err != nil {
			return err
		}
	}
	return nil
}

type list []Sample

func (l *list) counter(name, help string, v uint64, labels ...string) {
	*l = append(*l, Sample{Name: name, Help: help, Labels: labels, Value: float64(v)})
}

func (l *list) gauge(name, help string, v float64, labels ...string) {
	*l = append(*l, Sample{Name: name, Help: help, Labels: labels, Value: v, Gauge: true})
}

// grouped puts the samples of one metric together, where its first one stands.
func (l list) grouped() []Sample {
	first := make(map[string]int, len(l))
	for i := range l {
		if _, ok := first[l[i].Name]; !ok {
			first[l[i].Name] = i
		}
	}
	slices.SortStableFunc(l, func(a, b Sample) int { return cmp.Compare(first[a.Name], first[b.Name]) })
	return l
}

func (l *list) input(in *probe.InputStats) {
	p := []string{"port", in.Name}
	l.counter("heptap_frames_received_total", "Frames the kernel had for the ring, drops included.", in.Source.Received, p...)
	l.counter("heptap_frames_kernel_drops_total", "Frames the kernel dropped because the ring was full.", in.Source.KernelDrops, p...)
	l.counter("heptap_ring_freezes_total", "Times the ring was found full.", in.Source.Freezes, p...)
	l.counter("heptap_interface_reopens_total", "Times the interface went away and came back.", in.Source.Reopens, p...)
	if t := &in.Timestamps; t.Wanted {
		used := 0.0
		if t.Hardware {
			used = 1
			l.gauge("heptap_hardware_clock_offset_seconds", "How far the network card's clock is ahead of the system's.", t.Offset.Seconds(), p...)
		}
		l.gauge("heptap_hardware_timestamps", "1: the frames have their time of the network card's clock; 0: of the system's, although the card's is configured.", used, p...)
		l.counter("heptap_hardware_timestamps_total", "Frames by what became of the card's time: used, refused for it could not be, or missing.", t.Stamped, "port", in.Name, "time", "used")
		l.counter("heptap_hardware_timestamps_total", "Frames by what became of the card's time: used, refused for it could not be, or missing.", t.Refused, "port", in.Name, "time", "refused")
		l.counter("heptap_hardware_timestamps_total", "Frames by what became of the card's time: used, refused for it could not be, or missing.", t.Unstamped, "port", in.Name, "time", "missing")
		l.counter("heptap_hardware_timestamps_given_up_total", "Times the card's clock was given up.", t.Fallbacks, p...)
	}
	l.counter("heptap_frames_decoded_total", "Frames decoded to a datagram.", in.Decoded, p...)
	l.counter("heptap_octets_decoded_total", "Octets on the wire of the decoded frames.", in.Octets, p...)
	l.counter("heptap_frames_truncated_total", "Decoded frames that the capture cut short.", in.Truncated, p...)
	l.counter("heptap_frames_unread_total", "Frames that came after the probe was told to stop.", in.Unread, p...)
	for r, n := range in.Dropped {
		if r > 0 {
			l.counter("heptap_frames_dropped_total", "Frames decode did not take, by reason.", n, "port", in.Name, "reason", capture.DropReason(r).String())
		}
	}
	for e, n := range in.Encaps {
		l.counter("heptap_frames_encapsulated_total", "Frames by what they were wrapped in; one that was wrapped twice counts for both.", n, "port", in.Name, "encapsulation", capture.EncapName(e))
	}
	for _, u := range in.NotRead {
		l.counter("heptap_frames_not_understood_total", "Of the frames dropped, those that hold something unknown, by what it is.", u.Frames, "port", in.Name, "what", u.Name)
	}
	for k, n := range in.Protocols {
		l.counter("heptap_datagrams_total", "UDP datagrams by what they carry.", n, "port", in.Name, "protocol", capture.Protocol(k).String())
	}
	for i, n := range in.Hidden {
		if n > 0 {
			l.counter("heptap_frames_hidden_sampled_total", "Frames that the port's filter hides, by what they carry, of which one in 1024 is looked at.", n, "port", in.Name, "protocol", probe.HiddenName(i))
		}
	}
	l.counter("heptap_datagrams_relayed_total", "Datagrams found inside TURN.", in.Relayed, p...)
	l.counter("heptap_tcp_segments_total", "TCP segments.", in.Segments, p...)
	l.counter("heptap_tcp_segments_ignored_total", "TCP segments of connections with nothing to read in them.", in.Ignored, p...)
	l.counter("heptap_tcp_segments_tls_total", "TCP segments that begin with a TLS record.", in.TLS, "port", in.Name, "sips", "any")
	l.counter("heptap_tcp_segments_tls_total", "TCP segments that begin with a TLS record.", in.SIPTLS, "port", in.Name, "sips", "5061")
	l.counter("heptap_sctp_packets_total", "SCTP packets.", in.SCTP, p...)
	l.counter("heptap_ip_fragments_total", "IP fragments.", in.Fragments, p...)
	l.counter("heptap_queue_drops_total", "Messages and stream counts the correlator had no room for.", in.QueueDrops, p...)
	for class, n := range in.Shed {
		if class := record.Class(class); class != record.Call {
			l.counter("heptap_queue_shed_total", "Datagrams left out, as worth least, while the correlator was behind, by class.", n, "port", in.Name, "class", class.String())
		}
	}
	l.counter("heptap_stream_drops_total", "Segments, SCTP packets and fragments left out to keep room for datagrams.", in.StreamDrops, p...)
	m := &in.Media
	l.gauge("heptap_rtp_streams", "RTP streams counted now.", float64(m.Confirmed), "port", in.Name, "state", "confirmed")
	l.gauge("heptap_rtp_streams", "RTP streams counted now.", float64(m.Candidates), "port", in.Name, "state", "candidate")
	l.counter("heptap_rtp_packets_total", "RTP packets counted.", m.Packets, p...)
	l.counter("heptap_rtp_candidates_expired_total", "Candidates that never became a stream.", m.CandidatesExpired, p...)
	l.counter("heptap_rtp_candidates_recycled_total", "Candidates that gave way because the table was full.", m.CandidatesRecycled, p...)
	l.counter("heptap_rtp_table_full_total", "RTP packets not counted because the table was full.", m.Full, p...)
}

func (l *list) pipeline(st *probe.Stats) {
	c := st.Correlate
	for _, t := range []record.Type{record.SIP, record.RTCP, record.RTPReport, record.DNS, record.ISUP, record.MI, record.REST, record.Net, record.Control, record.Log} {
		l.counter("heptap_records_made_total", "Records made, by type.", st.Records[t], "type", t.String())
	}
	l.counter("heptap_sip_cut_to_record_total", "SIP messages cut to the largest record.", st.Cut)
	l.counter("heptap_records_oversize_total", "Records too large for any collector.", st.Oversize)
	l.counter("heptap_lines_shed_total", "Received lines of logs left out while the correlator was behind.", st.LinesShed)
	l.counter("heptap_merge_late_total", "Messages that came later than the watermark.", st.Late)
	l.counter("heptap_sip_messages_total", "SIP messages.", c.SIP.Load())
	l.counter("heptap_sip_malformed_total", "Datagrams that begin like SIP and are not.", c.SIPMalformed.Load())
	l.counter("heptap_sip_cut_total", "SIP messages that are shorter than their Content-Length.", c.SIPCut.Load())
	l.counter("heptap_sip_without_call_id_total", "SIP messages without a Call-ID.", c.SIPNoCallID.Load())
	l.counter("heptap_sdp_bodies_total", "Offers and answers read.", c.SDPBodies.Load())
	l.counter("heptap_sdp_malformed_total", "Offers and answers that could not be read.", c.SDPMalformed.Load())
	l.counter("heptap_sdp_addresses_refused_total", "Media addresses beyond what one call, or all together, may have, and codecs of those that all together may have.", c.BindingsRefused.Load())
	l.gauge("heptap_calls", "Calls followed now.", float64(c.Calls.Load()))
	l.counter("heptap_calls_seen_total", "Calls begun.", c.CallsSeen.Load())
	l.counter("heptap_calls_controlled_total", "Calls begun that were known from their media proxy first.", c.CallsControlled.Load())
	l.counter("heptap_calls_established_total", "Calls answered.", c.CallsEstablished.Load())
	l.counter("heptap_calls_ended_total", "Calls ended by BYE or refusal.", c.CallsEnded.Load())
	l.counter("heptap_calls_expired_total", "Calls forgotten because nothing more was seen of them.", c.CallsExpired.Load())
	l.counter("heptap_calls_recycled_total", "Calls forgotten to make room: not answered, or without any sign of life.", c.CallsRecycled.Load())
	l.counter("heptap_calls_refused_total", "Calls not followed because there was no room.", c.CallsRefused.Load())
	l.gauge("heptap_media_addresses", "Media addresses known from SDP.", float64(c.Endpoints.Load()))
	l.gauge("heptap_streams_followed", "RTP streams the correlator knows.", float64(c.Streams.Load()))
	l.counter("heptap_streams_linked_total", "RTP streams linked to a call.", c.StreamsLinked.Load())
	l.counter("heptap_streams_unknown_total", "Confirmed RTP streams that ended without a call.", c.StreamsUnknown.Load())
	l.counter("heptap_streams_refused_total", "Stream counts beyond the streams followed at once.", c.StreamsRefused.Load())
	l.counter("heptap_streams_lost_total", "RTP streams ended because their last count was lost on its way.", c.StreamsLost.Load())
	l.counter("heptap_rtp_reports_total", "Reports on RTP streams.", c.ReportsPeriodic.Load(), "kind", "periodic")
	l.counter("heptap_rtp_reports_total", "Reports on RTP streams.", c.ReportsFinal.Load(), "kind", "final")
	l.counter("heptap_streams_copied_total", "RTP streams that another port or ring showed too, reported once.", c.StreamsCopied.Load())
	const net = "Connections that SIP goes over, or was meant to."
	l.counter("heptap_net_total", net, c.NetOpened.Load(), "state", "opened")
	l.counter("heptap_net_total", net, c.NetClosed.Load(), "state", "closed")
	for i := range c.NetFailed {
		l.counter("heptap_net_total", net, c.NetFailed[i].Load(), "state", stream.Outcome(i).String())
	}
	l.counter("heptap_net_suppressed_total", "Failed connections of which no record was made: there were too many.", c.NetSuppressed.Load())
	l.counter("heptap_notes_total", "Records of log lines, queries, commands and the like.", c.Notes.Load())
	l.counter("heptap_notes_linked_total", "Those of them that name a call.", c.NotesLinked.Load())
	l.counter("heptap_notes_unlinked_total", "Log lines and the like of which no record was made, because they name no call.", c.NotesUnlinked.Load())
	l.counter("heptap_names_learnt_total", "Platforms' own names of calls, learnt from lines that carry the Call-ID too.", c.NamesLearnt.Load())
	const strands = "Connections that a SIP server could not make, by whether the call is known that failed for it."
	l.counter("heptap_strands_total", strands, c.StrandsLinked.Load(), "call", "known")
	l.counter("heptap_strands_total", strands, c.StrandsOpen.Load(), "call", "unknown")
	l.counter("heptap_strands_left_out_total", "Such connections beyond those that can be looked at, at once.", c.StrandsLeftOut.Load())
	l.counter("heptap_legs_total", "Calls of which an id in the INVITE says that they are legs of another call.", c.LegsSeen.Load())
	l.counter("heptap_legs_doubted_total", "Calls that share such an id with too many others.", c.LegsDoubted.Load())
	l.inferred(c)
	l.counter("heptap_links_left_out_total", "Links beyond what one record carries.", c.LinksLeftOut.Load())
	l.counter("heptap_net_unremembered_total", "Connections of which the calls could not be remembered for want of room.", c.ConnectionsRefused.Load())
	l.counter("heptap_events_total", "Events found in calls.", c.OneWay.Load(), "event", "one-way audio")
	l.counter("heptap_events_total", "Events found in calls.", c.Stopped.Load(), "event", "RTP stopped")
	l.counter("heptap_events_total", "Events found in calls.", c.Resumed.Load(), "event", "RTP resumed")
	l.counter("heptap_t38_packets_total", "T.38 packets of known calls.", c.UDPTL.Load())
	l.counter("heptap_srtcp_compounds_total", "RTCP of which only the header could be read.", c.SRTCP.Load())
	l.counter("heptap_rtcp_packets_total", "RTCP packets, those inside compounds.", c.RTCPPackets.Load())
	l.counter("heptap_rtcp_cut_total", "RTCP compounds with more reports than are made into records.", c.RTCPCut.Load())
	l.counter("heptap_rtcp_compounds_total", "RTCP compounds by whether their call is known.", c.RTCPLinked.Load(), "call", "known")
	l.counter("heptap_rtcp_compounds_total", "RTCP compounds by whether their call is known.", c.RTCPUnlinked.Load(), "call", "unknown")
}

func (l *list) uplink(st *uplink.Stats) {
	l.gauge("heptap_log_memory_bytes", "Octets of the log's memory tier in use.", float64(st.Memory))
	l.gauge("heptap_log_unsaved_records", "Records in memory alone that no collector's kernel has acknowledged, at most: what a power cut would cost now.", float64(st.Unsaved.Records))
	l.gauge("heptap_log_unsaved_seconds", "How long the oldest of them has been so.", st.Unsaved.For.Seconds())
	l.gauge("heptap_log_unsaved_most_seconds", "How long any has been so, in this run.", st.Unsaved.Most.Seconds())
	l.gauge("heptap_spool_commit_most_seconds", "How long a commit took at most, in this run.", st.CommitMost.Seconds())
	l.counter("heptap_log_refused_total", "What the log was given and was no record.", st.Refused)
	l.counter("heptap_spool_damages_total", "Times the spool was found damaged.", st.Damages)
	l.counter("heptap_spool_errors_total", "Commits and reads of the spool that failed.", st.DiskErrors)
	for i := range st.Collectors {
		l.collector(&st.Collectors[i])
	}
}

func (l *list) collector(c *uplink.CollectorStats) {
	who := []string{"collector", c.Collector}
	for s := uplink.Down; s <= uplink.Draining; s++ {
		v := 0.0
		if c.State == s {
			v = 1
		}
		l.gauge("heptap_uplink_state", "1 for the state the uplink is in.", v, "collector", c.Collector, "state", s.String())
	}
	const help = "Every record of the log, by where it is now: the sum over all places equals records made and carried in."
	l.counter("heptap_uplink_made_total", "Records put into the log.", c.Made, who...)
	l.counter("heptap_uplink_carried_in_total", "Records found in the spool at start.", c.CarriedIn, who...)
	for _, p := range []struct {
		place string
		n     uint64
	}{
		{"filtered", c.Filtered}, {"confirmed", c.Confirmed}, {"sent unconfirmed", c.SentUnconfirmed}, {"released", c.Released},
		{"in memory", c.InMemory}, {"spooled", c.Spooled}, {"set aside", c.Quarantined}, {"damaged", c.Damaged},
	} {
		l.gauge("heptap_uplink_records", help, float64(p.n), "collector", c.Collector, "place", p.place)
	}
	for class := range record.NumClasses {
		l.counter("heptap_uplink_shed_total", "Records refused for want of space, by class.", c.Shed[class], "collector", c.Collector, "class", class.String())
		l.counter("heptap_uplink_evicted_total", "The oldest records given up for want of space, by class.", c.Evicted[class], "collector", c.Collector, "class", class.String())
		l.counter("heptap_uplink_expired_total", "Records given up in the spool for their age, by class.", c.Expired[class], "collector", c.Collector, "class", class.String())
	}
	l.gauge("heptap_uplink_held_back", "Of the spooled records, those that are too old for the collector; heptap spool export has them.", float64(c.Held), who...)
	l.counter("heptap_uplink_resent_total", "Records sent once more: duplicates at the collector at most.", c.Resent, who...)
	l.counter("heptap_uplink_duplicates_total", "Messages sent once more that a stream had already, by its own word: it has them once.", c.Duplicates, who...)
	l.counter("heptap_uplink_barriers_total", "Half-closes made to have records confirmed.", c.Barriers, who...)
	l.counter("heptap_uplink_unanswered_total", "Half-closes not answered in time.", c.NoAnswer, who...)
	l.counter("heptap_uplink_broken_total", "Connections that ended before their barrier.", c.Broken, who...)
	l.counter("heptap_uplink_dials_total", "Connections attempted.", c.Dials, who...)
	for i := range c.Members {
		m := &c.Members[i]
		for _, s := range []struct {
			name string
			is   bool
		}{{"active", m.Active}, {"failed", m.Failed}} {
			v := 0.0
			if s.is {
				v = 1
			}
			l.gauge("heptap_uplink_member", "1 for the one of several collectors that is in use, and for those that have failed.", v, "collector", c.Collector, "member", m.Member, "is", s.name)
		}
		l.counter("heptap_uplink_member_confirmed_bytes_total", "Octets that one of several collectors has confirmed.", m.Confirmed, "collector", c.Collector, "member", m.Member)
	}
	l.gauge("heptap_uplink_rate", "Records per second that leave the log for a collector.", c.Rate, who...)
	waiting := 0.0
	if !c.Waiting.IsZero() {
		waiting = time.Since(c.Waiting).Seconds()
	}
	l.gauge("heptap_uplink_backlog_records", "Records on disk that wait to be sent.", float64(c.Backlog), who...)
	l.gauge("heptap_uplink_backlog_most_records", "Records that waited on disk at most since some do: what has been drained is the difference.", float64(c.Most), who...)
	l.gauge("heptap_uplink_backlog_left_seconds", "How long until no record waits on disk, as fast as they became fewer lately; 0: not known, or none waits.", c.Left.Seconds(), who...)
	l.gauge("heptap_uplink_backlog_seconds", "How long there have been such records, in this run.", waiting, who...)
	l.gauge("heptap_uplink_unconfirmed_bytes", "Octets sent and not confirmed.", float64(c.Unconfirmed), who...)
	l.past(c, who)
}

func (l *list) spool(st *buffer.Stats) {
	l.gauge("heptap_spool_file_bytes", "Size of the spool file.", float64(st.FileBytes))
	l.gauge("heptap_spool_used_bytes", "Octets of the spool file in use.", float64(st.UsedBytes))
	l.gauge("heptap_spool_limit_bytes", "Octets of the spool file that may be used.", float64(st.LimitBytes))
	l.gauge("heptap_spool_high_water_bytes", "Octets of the spool file ever used; when nothing waits any more a new file may be begun.", float64(st.HighWaterBytes))
	l.counter("heptap_spool_written_bytes_total", "Octets written to the medium.", uint64(st.Written))
	l.counter("heptap_spool_commits_total", "Durable commits.", st.Commits)
	l.counter("heptap_spool_corrupt_total", "Records skipped because their checksum was wrong.", st.Corrupt)
	l.counter("heptap_spool_files_set_aside_total", "Damaged spool files set aside.", st.Damaged)
	for class := range record.NumClasses {
		l.gauge("heptap_spool_held_records", "Records in the spool, by class.", float64(st.Held[class].Records), "class", class.String())
	}
}
