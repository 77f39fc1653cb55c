// Package metrics shows the counters of every stage: as text for a person, and
// as Prometheus metrics. Both are made from one list, so that neither can show
// what the other does not.
//
// Nothing is counted here. A reading asks each stage for its running totals.
package metrics
