package main

// cardFlags are about CDS Hooks.
type cardFlags struct {
	BoardURL  string   `name:"board-url" placeholder:"URL" help:"Where people reach the board, to which CDS Hooks cards lead, such as https://rapport.example.org; {patient} stands for the patient's id. Without it cards have no link."`
	CDSOrigin []string `name:"cds-origin" placeholder:"ORIGIN" help:"Origin of a browser that may call CDS Hooks, such as https://ehr.example.org; may be given several times."`
}

// sealFlags are about what lies on the disk.
type sealFlags struct {
	MasterKey string `name:"master-key" placeholder:"KEY" help:"Seal what is stored: file:PATH, env:NAME or exec:COMMAND, which asks a key management service; see 'rapport keys'."`
}
