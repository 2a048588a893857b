// Package bench measures a server under load beside the floor of its machine, and kills servers and counts what is lost.
package bench
